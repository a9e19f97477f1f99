//! A project under test, as data that edits change: what it looks like in YAML, and what keeps it one that compiles.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use serde_yaml::Mapping;
use specql_compiler::SourceFile;
use specql_tests::migrations::file;

/// A project. Entities and fields have keys of their own, which stay when their names change.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Project {
    pub(crate) entities: Vec<Entity>,
    /// Schemas whose rows belong to tenants.
    pub(crate) multi_tenant: BTreeSet<String>,
    /// What is said of schemas.
    pub(crate) descriptions: BTreeMap<String, String>,
    /// Whether it has a service of its own, and with it the queue.
    pub(crate) service: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entity {
    pub(crate) key: usize,
    pub(crate) name: String,
    pub(crate) schema: String,
    pub(crate) description: Option<String>,
    pub(crate) fields: Vec<Field>,
    pub(crate) actions: Vec<Action>,
    /// The hour at which its first action without input is called.
    pub(crate) schedule: Option<usize>,
    pub(crate) rules: Rules,
}

/// Fields of an entity that its rules are about, by their keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rules {
    /// Unique together, if one of them is unique alone: so no rows can break it.
    pub(crate) unique: Vec<usize>,
    pub(crate) index: Vec<usize>,
    /// Each with a condition that holds whatever the value is.
    pub(crate) checks: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) key: usize,
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) required: bool,
    pub(crate) default: Option<Value>,
    pub(crate) unique: bool,
    pub(crate) description: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Text,
    Integer,
    Bigint,
    Float,
    Boolean,
    Decimal(usize, usize),
    Timestamp,
    Json,
    Email,
    Texts,
    Enum(Vec<String>),
    /// One that nothing is known of but a value.
    Other(&'static Other),
    /// To the entity of that key.
    Ref(usize, OnDelete),
}

/// A type by its name, with a value as PostgreSQL writes it and as JSON has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Other {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    pub(crate) json: &'static str,
}

const ADDRESS: &str = r#"{"city": "Berlin", "state": "BE", "street": "Invalidenstr. 1", "zipCode": "10115"}"#;

/// Types whose columns have a CHECK of some sort, or are made of others.
pub(crate) static OTHERS: [Other; 9] = [
    Other { name: "date", text: "2026-01-31", json: "\"2026-01-31\"" },
    Other { name: "money", text: "12.5", json: "\"12.5\"" },
    Other { name: "duration", text: "01:00:00", json: "\"PT1H\"" },
    Other { name: "ipAddress", text: "192.0.2.17", json: "\"192.0.2.17\"" },
    Other { name: "countryCode", text: "DE", json: "\"DE\"" },
    Other { name: "SimpleAddress", text: ADDRESS, json: ADDRESS },
    Other { name: "list(MoneyAmount)", text: "[]", json: "[]" },
    Other { name: "list(countryCode)", text: "{DE,FR}", json: "[\"DE\", \"FR\"]" },
    Other { name: "list(enum(low, high))", text: "[\"low\"]", json: "[\"low\"]" },
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnDelete {
    Restrict,
    Cascade,
    SetNull,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    Create,
    Update,
    Delete,
    /// Steps on the current row.
    Own {
        name: String,
        description: Option<String>,
        steps: Vec<Step>,
    },
    /// Only tells somebody: has no input, so a schedule can call it.
    Tell {
        name: String,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Sets a field to a value of its type.
    Set { field: usize },
    /// Sets a field to an input.
    Take { field: usize },
    /// Calls the service, and sets the field when it has ended.
    Call { on_success: Option<usize>, on_failure: Option<usize> },
}

/// The service that a project has, or has not.
const SERVICE: &str = "
services:
  - name: things
    execution_type: http
    runner_config: {base_url: 'https://things.example.com'}
    operations:
      - name: send
        input_schema: {title: text!}
        output_schema: {id: text!}
        path: /send
        idempotency_header: Idempotency-Key
";

impl OnDelete {
    const fn word(self) -> &'static str {
        match self {
            Self::Restrict => "restrict",
            Self::Cascade => "cascade",
            Self::SetNull => "set_null",
        }
    }
}

impl Type {
    fn written(&self, project: &Project) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Integer => "integer".to_owned(),
            Self::Bigint => "bigint".to_owned(),
            Self::Float => "float".to_owned(),
            Self::Boolean => "boolean".to_owned(),
            Self::Decimal(precision, scale) => format!("decimal({precision},{scale})"),
            Self::Timestamp => "timestamp".to_owned(),
            Self::Json => "json".to_owned(),
            Self::Email => "email".to_owned(),
            Self::Texts => "list(text)".to_owned(),
            Self::Other(other) => other.name.to_owned(),
            Self::Enum(values) => {
                let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
                format!("enum({})", values.join(", "))
            }
            Self::Ref(target, _) => {
                let target = project.entity(*target).expect("a tidy project has the targets of its references");
                format!("ref({}.{})", target.schema, target.name)
            }
        }
    }

    /// Whether its values can all differ.
    pub(crate) const fn may_be_unique(&self) -> bool {
        matches!(self, Self::Text | Self::Integer | Self::Bigint | Self::Decimal(..) | Self::Email)
    }

    /// An expression for a value.
    fn expression(&self) -> Option<String> {
        Some(match self {
            Self::Text => "'it''s'".to_owned(),
            Self::Integer | Self::Bigint | Self::Decimal(..) => "3".to_owned(),
            Self::Boolean => "true".to_owned(),
            Self::Timestamp => "now()".to_owned(),
            Self::Enum(values) => quoted(values.first()?),
            _ => return None,
        })
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `order_line` of `OrderLine`.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

impl Project {
    pub(crate) fn entity(&self, key: usize) -> Option<&Entity> {
        self.entities.iter().find(|entity| entity.key == key)
    }

    pub(crate) fn entity_mut(&mut self, key: usize) -> Option<&mut Entity> {
        self.entities.iter_mut().find(|entity| entity.key == key)
    }

    pub(crate) fn field_mut(&mut self, entity: usize, field: usize) -> Option<&mut Field> {
        self.entity_mut(entity)?.fields.iter_mut().find(|it| it.key == field)
    }

    /// Leaves out what cannot stand beside the rest, so that what is left compiles.
    pub(crate) fn tidy(&mut self) {
        let mut names = BTreeSet::new();
        self.entities.retain(|entity| names.insert(entity.name.clone()));
        let (keys, tenants) = (self.keys(), self.multi_tenant.clone());
        let mut wrappers = BTreeSet::new();
        let belongs: BTreeSet<usize> =
            self.entities.iter().filter(|it| tenants.contains(&it.schema)).map(|it| it.key).collect();
        for entity in &mut self.entities {
            let own = entity.key;
            let mut names = BTreeSet::new();
            entity.fields.retain(|field| {
                let reference = match field.ty {
                    Type::Ref(target, _) => {
                        keys.contains(&target) && (belongs.contains(&own) || !belongs.contains(&target))
                    }
                    _ => true,
                };
                // A row of everybody's cannot point to a tenant's.
                reference && names.insert(field.name.clone())
            });
            for field in &mut entity.fields {
                field.tidy(own);
            }
            let fields = entity.fields.clone();
            for action in &mut entity.actions {
                action.tidy(&fields, self.service);
            }
            entity.actions.retain(|action| match action {
                Action::Own { name, steps, .. } => !steps.is_empty() && wrappers.insert(name.clone()),
                Action::Tell { name } => wrappers.insert(name.clone()),
                Action::Create | Action::Update | Action::Delete => true,
            });
            let tells = entity.actions.iter().any(|action| matches!(action, Action::Tell { .. }));
            // A schedule calls in nobody's name.
            entity.schedule = entity.schedule.filter(|_| tells && !tenants.contains(&entity.schema));
        }
        let used = |schema: &String| self.entities.iter().any(|entity| entity.schema == *schema);
        self.multi_tenant.retain(used);
        self.descriptions.retain(|schema, _| used(schema));
    }

    /// Gives an entity another key.
    pub(crate) fn adopt(&mut self, key: usize, new: usize) {
        for entity in &mut self.entities {
            if entity.key == key {
                entity.key = new;
            }
            for field in &mut entity.fields {
                if let Type::Ref(target, _) = &mut field.ty
                    && *target == key
                {
                    *target = new;
                }
            }
        }
    }

    fn keys(&self) -> BTreeSet<usize> {
        self.entities.iter().map(|entity| entity.key).collect()
    }

    /// The project's files. What has another name than in `before` says so.
    pub(crate) fn files(&self, before: Option<&Self>) -> Vec<SourceFile> {
        let mut files = Vec::new();
        if !self.entities.is_empty() {
            files.push(file("entities/all.yaml", self.yaml(before)));
        }
        if self.service {
            files.push(file("registry/service_registry.yaml", SERVICE));
        }
        if !self.multi_tenant.is_empty() || !self.descriptions.is_empty() {
            files.push(file("registry/domain_registry.yaml", self.domains()));
        }
        files
    }

    fn domains(&self) -> String {
        let schemas: BTreeSet<&str> = self.entities.iter().map(|entity| entity.schema.as_str()).collect();
        let domains: Mapping = (schemas.into_iter())
            .map(|schema| {
                let mut domain = json!({"multi_tenant": self.multi_tenant.contains(schema)});
                if let Some(description) = self.descriptions.get(schema) {
                    domain["description"] = json!(description);
                }
                (schema.into(), serde_yaml::to_value(domain).unwrap())
            })
            .collect();
        serde_yaml::to_string(&Mapping::from_iter([("domains".into(), domains.into())])).unwrap()
    }

    pub(crate) fn yaml(&self, before: Option<&Self>) -> String {
        let documents: Vec<String> = self
            .entities
            .iter()
            .map(|entity| {
                let before = before.and_then(|before| before.entity(entity.key));
                serde_yaml::to_string(&self.document(entity, before)).unwrap()
            })
            .collect();
        documents.join("---\n")
    }

    fn document(&self, entity: &Entity, before: Option<&Entity>) -> Mapping {
        let mut document = Mapping::new();
        let mut put = |key: &str, value: Value| {
            document.insert(key.into(), serde_yaml::to_value(value).unwrap());
        };
        put("entity", json!(entity.name));
        put("schema", json!(entity.schema));
        if let Some(renamed_from) = before.and_then(|before| renamed(entity, before)) {
            put("renamed_from", json!(renamed_from));
        }
        if let Some(description) = &entity.description {
            put("description", json!(description));
        }
        put("actions", entity.actions.iter().map(|action| action.written(entity)).collect());
        if let Some(hour) = entity.schedule
            && let Some(Action::Tell { name }) =
                entity.actions.iter().find(|action| matches!(action, Action::Tell { .. }))
        {
            let cron = format!("0 {hour} * * *");
            put("schedules", json!([{"name": "daily", "cron": cron, "action": name}]));
        }
        let fields: Mapping = (entity.fields.iter())
            .map(|field| {
                let before = before.and_then(|before| before.fields.iter().find(|it| it.key == field.key));
                (field.name.clone().into(), serde_yaml::to_value(self.field(field, before)).unwrap())
            })
            .collect();
        entity.put_rules(&mut put);
        // In their order, which JSON does not keep.
        document.insert("fields".into(), fields.into());
        document
    }

    fn field(&self, field: &Field, before: Option<&Field>) -> Value {
        let mut form = json!({"type": field.ty.written(self)});
        if let Some(before) = before.filter(|before| before.name != field.name) {
            form["renamed_from"] = json!(before.name);
        }
        if field.required {
            form["required"] = json!(true);
        }
        if let Some(default) = &field.default {
            form["default"] = default.clone();
        }
        if field.unique {
            form["unique"] = json!(true);
        }
        if let Some(description) = &field.description {
            form["description"] = json!(description);
        }
        if let Type::Ref(_, on_delete) = field.ty
            && on_delete != OnDelete::Restrict
        {
            form["on_delete"] = json!(on_delete.word());
        }
        form
    }
}

/// What an entity says of its former name; `None` where it has the same.
fn renamed(entity: &Entity, before: &Entity) -> Option<String> {
    if entity.schema != before.schema {
        return Some(format!("{}.{}", before.schema, before.name));
    }
    (entity.name != before.name).then(|| before.name.clone())
}

impl Entity {
    /// The rules about fields that are there, as far as they can be said.
    fn put_rules(&self, put: &mut impl FnMut(&str, Value)) {
        let named =
            |keys: &[usize]| -> Vec<&Field> { self.fields.iter().filter(|field| keys.contains(&field.key)).collect() };
        let names = |fields: &[&Field]| -> Vec<String> { fields.iter().map(|field| field.name.clone()).collect() };
        let unique = named(&self.rules.unique);
        if unique.len() > 1 && unique.iter().any(|field| field.unique) {
            put("unique", json!(names(&unique)));
        }
        let index = named(&self.rules.index);
        let has_one = |field: &&Field| field.unique || matches!(field.ty, Type::Ref(..));
        if index.len() > 1 || index.iter().any(|field| !has_one(field)) {
            put("indexes", json!([names(&index)]));
        }
        let check = |field: &&Field| {
            let name = &field.name;
            (format!("rule_{}", field.key), json!(format!("{name} IS NULL OR {name} IS NOT NULL")))
        };
        let checks = named(&self.rules.checks);
        if !checks.is_empty() {
            put("checks", Value::Object(checks.iter().map(check).collect()));
        }
    }

    pub(crate) fn snake(&self) -> String {
        snake(&self.name)
    }
}

impl Field {
    fn tidy(&mut self, own: usize) {
        if let Type::Ref(target, on_delete) = &mut self.ty {
            // There would be no first row.
            self.required &= *target != own;
            if self.required && *on_delete == OnDelete::SetNull {
                *on_delete = OnDelete::Restrict;
            }
        }
        self.unique &= self.ty.may_be_unique();
        let fits = match (&self.ty, &self.default) {
            (Type::Text, Some(Value::String(_))) => true,
            (Type::Enum(values), Some(Value::String(default))) => values.contains(default),
            (Type::Integer | Type::Bigint | Type::Decimal(..), Some(Value::Number(_))) => true,
            (Type::Boolean, Some(Value::Bool(_))) => true,
            (Type::Timestamp, Some(default)) => default == "now()",
            _ => false,
        };
        if !fits {
            self.default = None;
        }
    }
}

impl Action {
    fn tidy(&mut self, fields: &[Field], service: bool) {
        let Self::Own { steps, .. } = self else { return };
        let settable = |key: &usize| {
            fields.iter().any(|field| field.key == *key && field.ty.expression().is_some() && !field.unique)
        };
        steps.retain_mut(|step| match step {
            Step::Set { field } => settable(field),
            Step::Take { field } => fields.iter().any(|it| it.key == *field && !matches!(it.ty, Type::Ref(..))),
            Step::Call { on_success, on_failure } => {
                *on_success = on_success.filter(|field| settable(field));
                *on_failure = on_failure.filter(|field| settable(field));
                service
            }
        });
        // A call is made for the current row, which another step works on.
        if steps.iter().all(|step| matches!(step, Step::Call { .. })) {
            steps.clear();
        }
        steps.sort_by_key(|step| matches!(step, Step::Call { .. }));
    }

    fn written(&self, entity: &Entity) -> Value {
        let snake = entity.snake();
        match self {
            Self::Create => json!({"name": format!("create_{snake}")}),
            Self::Update => json!({"name": format!("update_{snake}")}),
            Self::Delete => json!({"name": format!("delete_{snake}")}),
            Self::Tell { name } => json!({"name": name, "steps": [{"notify": "people(news, 'good morning')"}]}),
            Self::Own { name, description, steps } => {
                let steps: Vec<Value> = steps.iter().map(|step| step.written(entity)).collect();
                let mut form = json!({"name": name, "steps": steps});
                if let Some(description) = description {
                    form["description"] = json!(description);
                }
                form
            }
        }
    }
}

impl Step {
    fn written(&self, entity: &Entity) -> Value {
        let named = |key: usize| entity.fields.iter().find(|field| field.key == key).expect("a tidy step's field");
        let set = |key: usize| {
            let field = named(key);
            let value = field.ty.expression().expect("a tidy step sets what has an expression");
            json!({"update": entity.name, "set": {field.name.clone(): {"$expr": value}}})
        };
        match self {
            Self::Set { field } => set(*field),
            Self::Take { field } => {
                let name = &named(*field).name;
                json!({"update": entity.name, "set": {name.clone(): {"$expr": format!("$input.{name}")}}})
            }
            Self::Call { on_success, on_failure } => {
                let mut call =
                    json!({"service": "things", "operation": "send", "input": {"title": {"$expr": "'a title'"}}});
                for (key, field) in [("on_success", on_success), ("on_failure", on_failure)] {
                    if let Some(field) = field {
                        call[key] = json!([set(*field)]);
                    }
                }
                json!({"call_service": call})
            }
        }
    }
}
