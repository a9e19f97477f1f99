//! A random project: entities as the JSON of their YAML documents, so that they are printed and cut down alike.

use serde_json::{Map, Value, json};
use specql_registry::{composites, scalars};
use specql_tests::random::Random;

use crate::{
    expressions::{Row, Scope},
    steps,
};

/// The services that the actions of all projects call.
pub(crate) const SERVICES: &str = "
services:
  - name: things
    execution_type: http
    runner_config: {base_url: 'https://things.example.com'}
    operations:
      - name: send
        input_schema: {title: text!, count: integer, ready: boolean, about: uuid}
        output_schema: {id: text!, count: integer, ready: boolean}
        path: /send
        idempotency_header: Idempotency-Key
      - name: ping
        output_schema: {id: text!, count: integer, ready: boolean}
        path: /ping
        unique: never
";

/// A project in a schema of its own.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) seed: u64,
    pub(crate) schema: String,
    pub(crate) multi_tenant: bool,
    /// One document for each entity.
    pub(crate) entities: Vec<Value>,
}

/// A field of an entity under construction.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) required: bool,
    pub(crate) has_default: bool,
}

/// The type of a field, as far as steps and expressions want to know it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Text,
    Integer,
    Bigint,
    Float,
    Boolean,
    Decimal,
    Timestamp,
    Enum(Vec<&'static str>),
    /// Index of the target among the entities.
    Ref(usize),
    /// Any other: compared and assigned, not computed with.
    Named(String),
}

/// An entity under construction.
#[derive(Clone, Debug)]
pub(crate) struct Entity {
    pub(crate) name: String,
    pub(crate) snake: String,
    pub(crate) fields: Vec<Field>,
}

impl Project {
    /// The project of a seed. `number` keeps its names apart from those of the others in its database.
    pub(crate) fn new(seed: u64, number: usize) -> Self {
        let mut random = Random::new(seed);
        let schema = format!("s{number}");
        let names = ["Alpha", "Beta", "Gamma", "Delta"];
        let count = 1 + random.below(names.len());
        let mut entities: Vec<Entity> = Vec::new();
        for name in &names[..count] {
            let fields = fields(&mut random, entities.len());
            let snake = format!("{}{number}", name.to_lowercase());
            entities.push(Entity { name: format!("{name}{number}"), snake, fields });
        }
        let documents = (0..count).map(|index| document(&mut random, &schema, &entities, index)).collect();
        let multi_tenant = random.chance(40);
        Self { seed, schema, multi_tenant, entities: documents }
    }

    /// The project's entity file.
    pub(crate) fn yaml(&self) -> String {
        let documents: Vec<String> =
            self.entities.iter().map(|entity| serde_yaml::to_string(entity).unwrap()).collect();
        documents.join("---\n")
    }
}

fn fields(random: &mut Random, earlier: usize) -> Vec<Field> {
    let count = 2 + random.below(7);
    let mut fields: Vec<Field> = (0..count)
        .map(|index| {
            let ty = random_type(random, earlier);
            // A ref to the own entity cannot be required: there would be no first row.
            let required = random.chance(40) && ty != Type::Ref(earlier);
            Field { name: format!("{}_{index}", label(&ty)), ty, required, has_default: false }
        })
        .collect();
    // Something to compute with, and to fill in.
    fields.push(Field { name: "title".to_owned(), ty: Type::Text, required: true, has_default: false });
    fields.push(Field { name: "count".to_owned(), ty: Type::Integer, required: true, has_default: true });
    fields
}

fn label(ty: &Type) -> String {
    let word = match ty {
        Type::Text => "text",
        Type::Integer => "integer",
        Type::Bigint => "bigint",
        Type::Float => "float",
        Type::Boolean => "flag",
        Type::Decimal => "decimal",
        Type::Timestamp => "moment",
        Type::Enum(_) => "state",
        Type::Ref(_) => "other",
        Type::Named(name) => return name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_"),
    };
    word.to_owned()
}

fn random_type(random: &mut Random, own: usize) -> Type {
    match random.below(16) {
        0 => Type::Text,
        1 => Type::Integer,
        2 => Type::Bigint,
        3 => Type::Float,
        4 => Type::Boolean,
        5 => Type::Decimal,
        6 => Type::Timestamp,
        7 => {
            Type::Enum(random.pick(&[vec!["new", "open", "closed"], vec!["low", "high"], vec!["it's", "a b"]]).clone())
        }
        8 | 9 => Type::Ref(random.below(own + 1)),
        10 => Type::Named("json".to_owned()),
        12 => Type::Named(random.pick(composites::ALL).name.to_owned()),
        13 => Type::Named(format!("list({})", random.pick(composites::ALL).name)),
        11 => Type::Named(format!("list({})", random.pick(&["text", "integer", "email", "money", "boolean"]))),
        _ => Type::Named(random.pick(scalars::ALL).name.to_owned()),
    }
}

/// The type as it is written.
fn written(ty: &Type, schema: &str, entities: &[Entity]) -> String {
    match ty {
        Type::Text => "text".to_owned(),
        Type::Integer => "integer".to_owned(),
        Type::Bigint => "bigint".to_owned(),
        Type::Float => "float".to_owned(),
        Type::Boolean => "boolean".to_owned(),
        Type::Decimal => "decimal(12,2)".to_owned(),
        Type::Timestamp => "timestamp".to_owned(),
        Type::Enum(values) => {
            let values: Vec<String> = values.iter().map(|value| format!("'{}'", value.replace('\'', "''"))).collect();
            format!("enum({})", values.join(", "))
        }
        Type::Ref(target) => format!("ref({schema}.{})", entities[*target].name),
        Type::Named(name) => name.clone(),
    }
}

fn document(random: &mut Random, schema: &str, entities: &[Entity], index: usize) -> Value {
    let entity = &entities[index];
    let mut fields = Map::new();
    for field in &entity.fields {
        let ty = written(&field.ty, schema, entities);
        let mut form = json!({"type": ty});
        if field.required {
            form["required"] = json!(true);
        }
        if field.has_default {
            form["default"] = json!(0);
        }
        if let Type::Ref(_) = field.ty
            && !field.required
        {
            form["on_delete"] = json!(random.pick(&["restrict", "cascade", "set_null"]));
        }
        let short = form.as_object().unwrap().len() == 1 + usize::from(field.required) && random.chance(60);
        let bang = if field.required { "!" } else { "" };
        fields.insert(field.name.clone(), if short { json!(format!("{ty}{bang}")) } else { form });
    }
    let mut actions: Vec<Value> = ["create", "update", "delete"]
        .iter()
        .map(|verb| {
            let name = format!("{verb}_{}", entity.snake);
            json!({"name": name, "wrapper": format!("{schema}_{name}")})
        })
        .collect();
    for number in 0..1 + random.below(4) {
        let name = format!("act_{}_{number}", entity.snake);
        let mut scope = Scope::new(entities, index);
        scope.rows.push(Row { name: None, entity: index, optional: false, in_loop: false });
        let steps = steps::list(random, &mut scope, 2, 1 + random.clone().below(4));
        actions.push(json!({"name": name, "wrapper": format!("{schema}_{name}"), "steps": steps}));
    }
    json!({"entity": entity.name, "schema": schema, "fields": fields, "actions": actions})
}
