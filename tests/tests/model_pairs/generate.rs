//! Random projects, and random edits of them.

use serde_json::{Value, json};
use specql_tests::random::Random;

use crate::{
    edit::{Edit, edited},
    pair::Pair,
    project::{Action, Entity, Field, OTHERS, OnDelete, Project, Rules, Step, Type},
};

/// Names that are parts of each other, keywords, and some that are cut to fit.
const ENTITIES: [&str; 9] = [
    "Order",
    "Orders",
    "OrderLine",
    "Line",
    "User",
    "Group",
    "Table",
    "AnEntityWhoseNameIsSoLongThatItGetsCut",
    "OneEntityWhoseNameIsSoLongThatItGetsCut",
];
const SCHEMAS: [&str; 5] = ["sales", "sale", "public", "order", "a_schema_whose_name_is_long_too"];
const FIELDS: [&str; 16] = [
    "total",
    "total_net",
    "note",
    "notes",
    "order",
    "user",
    "select",
    "status",
    "data",
    "name",
    "value",
    "state",
    "check",
    "a",
    "a_field_whose_name_is_so_long_that_what_is_derived_is_cut",
    "a_field_whose_name_is_so_long_that_what_is_derived_is_cut_too",
];
const VALUES: [&str; 7] = ["new", "total", "it's", "note", "in progress", "NULL", "a, b"];
const WORDS: [&str; 4] = ["How much it is", "it's a \"total\"; DROP", "-- entities/all.yaml:1", "ö"];
const OWN_ACTIONS: [&str; 3] = ["settle", "settle_all", "archive"];

/// The pair of a seed.
pub(crate) fn pair(seed: u64) -> Pair {
    let mut make = Make { random: Random::new(seed), keys: 0 };
    let before = make.project();
    let edits = make.edits(&before);
    let mut pair = Pair { seed, before, edits, then: Vec::new() };
    if make.random.chance(20) {
        pair.then = make.edits(&pair.after());
    }
    pair
}

struct Make {
    random: Random,
    /// The last key that was given.
    keys: usize,
}

impl Make {
    fn key(&mut self) -> usize {
        self.keys += 1;
        self.keys
    }

    fn word(&mut self, from: &[&str]) -> String {
        (*self.random.pick(from)).to_owned()
    }

    /// One to five edits, one after the other.
    fn edits(&mut self, before: &Project) -> Vec<Edit> {
        let (mut now, mut edits) = (before.clone(), Vec::new());
        for _ in 0..=self.random.below(5) {
            if let Some(edit) = self.edit(&now) {
                now = edited(&now, std::slice::from_ref(&edit));
                edits.push(edit);
            }
        }
        edits
    }

    fn project(&mut self) -> Project {
        let mut project = Project { service: self.random.chance(40), ..Project::default() };
        for schema in SCHEMAS {
            if self.random.chance(10) {
                let words = self.word(&WORDS);
                project.descriptions.insert(schema.to_owned(), words);
            }
            if self.random.chance(15) {
                project.multi_tenant.insert(schema.to_owned());
            }
        }
        let count = 1 + self.random.below(3);
        while project.entities.len() < count {
            let entity = self.entity(&project);
            project.entities.push(entity);
            project.tidy();
        }
        project
    }

    /// Rules about some fields of an entity.
    fn rules(&mut self, entity: &Entity) -> Rules {
        let mut some = || entity.fields.iter().filter(|_| self.random.chance(40)).map(|field| field.key).collect();
        Rules { unique: some(), index: some(), checks: some() }
    }

    /// A new entity, which may refer to those of the project and to itself.
    fn entity(&mut self, project: &Project) -> Entity {
        let key = self.key();
        let mut entity = Entity {
            key,
            name: self.word(&ENTITIES),
            schema: self.word(&SCHEMAS),
            description: self.random.chance(30).then(|| self.word(&WORDS)),
            fields: Vec::new(),
            actions: Vec::new(),
            schedule: None,
            rules: Rules::default(),
        };
        for _ in 0..1 + self.random.below(4) {
            let field = self.field(project, key);
            entity.fields.push(field);
        }
        if self.random.chance(30) {
            entity.rules = self.rules(&entity);
        }
        entity.actions.push(Action::Create);
        for action in [Action::Update, Action::Delete] {
            if self.random.chance(40) {
                entity.actions.push(action);
            }
        }
        if self.random.chance(50) {
            let action = self.action(&entity);
            entity.actions.push(action);
        }
        if self.random.chance(15) {
            entity.actions.push(Action::Tell { name: format!("greet_{}", entity.snake()) });
            entity.schedule = Some(self.random.below(24));
        }
        entity
    }

    fn field(&mut self, project: &Project, own: usize) -> Field {
        let ty = self.ty(project, own);
        Field {
            key: self.key(),
            name: self.word(&FIELDS),
            required: self.random.chance(35),
            default: if self.random.chance(35) { self.default(&ty) } else { None },
            unique: self.random.chance(15),
            description: self.random.chance(20).then(|| self.word(&WORDS)),
            ty,
        }
    }

    fn ty(&mut self, project: &Project, own: usize) -> Type {
        match self.random.below(18) {
            0 | 1 => Type::Text,
            2 => Type::Integer,
            3 => Type::Bigint,
            4 => Type::Float,
            5 => Type::Boolean,
            6 => self.decimal(),
            7 => Type::Timestamp,
            8 => Type::Json,
            9 => Type::Email,
            10 => Type::Texts,
            11 | 12 => {
                let from = self.random.below(3);
                Type::Enum(VALUES[from..from + 2 + self.random.below(3)].iter().map(|it| (*it).to_owned()).collect())
            }
            13..16 => Type::Other(self.random.pick(&OTHERS)),
            _ => self.reference(project, own),
        }
    }

    fn decimal(&mut self) -> Type {
        let scale = self.random.below(4);
        Type::Decimal(scale + 4 + self.random.below(6), scale)
    }

    fn reference(&mut self, project: &Project, own: usize) -> Type {
        let mut targets: Vec<usize> = project.entities.iter().map(|entity| entity.key).collect();
        targets.push(own);
        Type::Ref(*self.random.pick(&targets), self.on_delete())
    }

    fn on_delete(&mut self) -> OnDelete {
        *self.random.pick(&[OnDelete::Restrict, OnDelete::Cascade, OnDelete::SetNull])
    }

    fn default(&mut self, ty: &Type) -> Option<Value> {
        Some(match ty {
            Type::Text => json!(self.random.pick(&VALUES)),
            Type::Enum(values) => json!(self.random.pick(values)),
            Type::Integer | Type::Bigint | Type::Decimal(..) => json!(self.random.below(9)),
            Type::Boolean => json!(self.random.chance(50)),
            Type::Timestamp => json!("now()"),
            _ => return None,
        })
    }

    /// Steps on the current row.
    fn action(&mut self, entity: &Entity) -> Action {
        let keys: Vec<usize> = entity.fields.iter().map(|field| field.key).collect();
        if keys.is_empty() {
            return Action::Tell { name: format!("tell_{}", entity.snake()) };
        }
        let mut steps = Vec::new();
        for _ in 0..1 + self.random.below(3) {
            let field = *self.random.pick(&keys);
            let callback = |random: &mut Random| random.chance(60).then(|| *random.pick(&keys));
            steps.push(match self.random.below(3) {
                0 => Step::Set { field },
                1 => Step::Take { field },
                _ => Step::Call { on_success: callback(&mut self.random), on_failure: callback(&mut self.random) },
            });
        }
        let name = format!("{}_{}", self.word(&OWN_ACTIONS), entity.snake());
        Action::Own { name, description: self.random.chance(30).then(|| self.word(&WORDS)), steps }
    }

    fn edit(&mut self, project: &Project) -> Option<Edit> {
        let entity = self.random.pick(&project.entities).clone();
        match self.random.below(100) {
            0..4 => {
                let mut new = self.entity(project);
                // Two that refer to each other.
                if self.random.chance(30)
                    && let Some(field) = new.fields.first_mut()
                {
                    field.ty = Type::Ref(entity.key, OnDelete::Restrict);
                }
                Some(Edit::AddEntity(new))
            }
            4..8 => Some(Edit::DropEntity(entity.key)),
            8..13 => Some(Edit::RenameEntity { entity: entity.key, name: self.word(&ENTITIES) }),
            13..16 => Some(Edit::Move { entity: entity.key, schema: self.word(&SCHEMAS) }),
            16..19 => {
                let description = self.random.chance(70).then(|| self.word(&WORDS));
                Some(Edit::DescribeEntity { entity: entity.key, description })
            }
            19..23 => Some(Edit::AddAction { entity: entity.key, action: self.action(&entity) }),
            23..26 => {
                Some(Edit::DropAction { entity: entity.key, index: self.random.below(entity.actions.len().max(1)) })
            }
            26..31 => {
                let action = self.action(&entity);
                Some(Edit::ChangeAction { entity: entity.key, index: entity.actions.len().saturating_sub(1), action })
            }
            31..33 => {
                let hour = self.random.chance(70).then(|| self.random.below(24));
                Some(Edit::Schedule { entity: entity.key, hour })
            }
            33..36 => {
                let multi_tenant = !project.multi_tenant.contains(&entity.schema);
                Some(Edit::Tenants { schema: entity.schema, multi_tenant })
            }
            38 => Some(Edit::Service(!project.service)),
            39..41 => {
                let description = (!project.descriptions.contains_key(&entity.schema)).then(|| self.word(&WORDS));
                Some(Edit::DescribeSchema { schema: entity.schema, description })
            }
            36 | 37 => Some(Edit::Rules { entity: entity.key, rules: self.rules(&entity) }),
            41..43 => Some(Edit::Reorder { entity: entity.key, by: 1 + self.random.below(3) }),
            43..56 => {
                let field = self.field(project, entity.key);
                Some(Edit::AddField { entity: entity.key, field })
            }
            _ => self.edit_of_a_field(project, &entity),
        }
    }

    fn edit_of_a_field(&mut self, project: &Project, entity: &Entity) -> Option<Edit> {
        let field = entity.fields.get(self.random.below(entity.fields.len().max(1)))?.clone();
        let (entity, key) = (entity.key, field.key);
        Some(match self.random.below(44) {
            0..7 => Edit::DropField { entity, field: key },
            7..13 => Edit::RenameField { entity, field: key, name: self.word(&FIELDS) },
            13..23 => Edit::ChangeType { entity, field: key, ty: self.other_type(project, entity, &field.ty)? },
            23..29 => Edit::Require { entity, field: key, required: !field.required },
            29..34 => {
                let default = if self.random.chance(70) { self.default(&field.ty) } else { None };
                Edit::Default { entity, field: key, default }
            }
            34..38 => Edit::Unique { entity, field: key, unique: !field.unique },
            38..41 => Edit::OnDelete { entity, field: key, on_delete: self.on_delete() },
            _ => {
                let description = self.random.chance(70).then(|| self.word(&WORDS));
                Edit::DescribeField { entity, field: key, description }
            }
        })
    }

    /// A type that values of the first could have, wider or narrower.
    fn other_type(&mut self, project: &Project, own: usize, ty: &Type) -> Option<Type> {
        Some(match ty {
            Type::Text => {
                let other = Type::Other(self.random.pick(&OTHERS));
                self.random.pick(&[Type::Integer, Type::Email, Type::Enum(vec!["total".to_owned()]), other]).clone()
            }
            Type::Integer => self.random.pick(&[Type::Bigint, Type::Text, Type::Decimal(12, 2)]).clone(),
            Type::Bigint => self.random.pick(&[Type::Integer, Type::Text]).clone(),
            Type::Decimal(..) => self.decimal(),
            Type::Email | Type::Boolean | Type::Float | Type::Other(_) => Type::Text,
            Type::Enum(values) => self.other_enum(values),
            Type::Ref(..) => self.reference(project, own),
            Type::Timestamp | Type::Json | Type::Texts => return None,
        })
    }

    /// One with a value more or a value less, or a text.
    fn other_enum(&mut self, values: &[String]) -> Type {
        let mut values = values.to_vec();
        match self.random.below(5) {
            0 | 1 => {
                let more = self.word(&VALUES);
                if !values.contains(&more) {
                    values.insert(self.random.below(values.len() + 1), more);
                }
            }
            2 | 3 if values.len() > 1 => {
                values.remove(self.random.below(values.len()));
            }
            _ => return Type::Text,
        }
        Type::Enum(values)
    }
}
