//! Random steps.

use serde_json::{Map, Value, json};
use specql_tests::random::Random;

use crate::{
    expressions::{Row, Scope, condition, of_type, value},
    project::{Field, Type},
};

/// The codes that steps end actions with.
pub(crate) const CODES: [&str; 3] = ["too_early", "too_late", "not_now"];

/// So many steps; those that end the action come last.
pub(crate) fn list(random: &mut Random, scope: &mut Scope<'_>, depth: usize, count: usize) -> Vec<Value> {
    let mut steps: Vec<Value> = (0..count).filter_map(|_| step(random, scope, depth)).collect();
    if steps.is_empty() {
        steps.push(json!({"update": own(scope), "set": {"count": {"$expr": "count + 1"}}}));
    }
    if !scope.in_callback && depth < 2 && random.chance(20) {
        let row = scope.rows.iter().find(|row| row.name.is_some() && !row.optional && !row.in_loop);
        steps.push(match random.below(3) {
            0 => json!({"reject": random.pick(&CODES)}),
            1 if row.is_some() => {
                json!({"return": computed(format!("${}", row.and_then(|row| row.name.as_ref()).unwrap()))})
            }
            _ => json!({"return": "nothing to do"}),
        });
    }
    steps
}

/// An expression where a value may stand.
fn computed(expression: String) -> Value {
    json!({"$expr": expression})
}

/// Whether nothing behind this step is reached.
fn ends(step: &Value) -> bool {
    let both = |step: &Value| {
        ["then", "else"].iter().all(|key| step[*key].as_array().and_then(|steps| steps.last()).is_some_and(ends))
    };
    step.get("reject").is_some() || step.get("return").is_some() || both(step)
}

fn own(scope: &Scope<'_>) -> String {
    scope.entities[scope.own].name.clone()
}

fn step(random: &mut Random, scope: &mut Scope<'_>, depth: usize) -> Option<Value> {
    let any = random.below(scope.entities.len());
    match random.below(14) {
        // What raises in a callback would be tried again, and again.
        0 if !scope.in_callback => {
            let mut step = json!({"validate": condition(random, scope, 2).0, "error": random.pick(&CODES)});
            if random.chance(40) {
                step["message"] = json!("it's \"not\" so");
            }
            Some(step)
        }
        1 | 2 => Some(json!({"update": own(scope), "set": assignments(random, scope, scope.own)?})),
        3 => {
            let inner = scope.of_statement(any);
            let set = assignments(random, scope, any)?;
            Some(json!({"update": scope.entities[any].name, "set": set, "where": condition(random, &inner, 2).0}))
        }
        4 => insert(random, scope, any),
        5 | 6 if depth > 0 => {
            let condition = condition(random, scope, 2).0;
            // What a branch binds is not known behind it.
            let known = scope.rows.len();
            let then = list(random, scope, depth - 1, 2);
            scope.rows.truncate(known);
            let mut step = json!({"if": condition, "then": then});
            if random.chance(50) {
                let mut otherwise = list(random, scope, depth - 1, 1);
                scope.rows.truncate(known);
                // What stands behind two branches that both end is never reached.
                if step["then"].as_array().and_then(|then| then.last()).is_some_and(ends) {
                    otherwise.retain(|step| !ends(step));
                }
                step["else"] = otherwise.into();
            }
            Some(step)
        }
        7 if depth > 0 => Some(call_service(random, scope, depth)),
        8 => {
            let found = condition(random, &scope.of_statement(any), 2).0;
            // What is not found in a callback is not found when it is tried again.
            let optional = scope.in_callback || random.chance(60);
            let name = scope.name();
            let mut step = json!({"find": format!("{} WHERE {found}", scope.entities[any].name), "as": name});
            if optional {
                step["optional"] = json!(true);
            }
            scope.rows.push(Row { name: Some(name), entity: any, optional, in_loop: false });
            Some(step)
        }
        9 if any != scope.own => {
            Some(json!({"delete": scope.entities[any].name, "where": condition(random, &scope.of_statement(any), 1).0}))
        }
        10 => {
            let message =
                of_type(random, scope, &Type::Text, 1).filter(|(text, nullable)| !nullable && !text.starts_with('\''));
            let message = message.map_or_else(|| "\"it's so\"".to_owned(), |(text, _)| text);
            let own = format!("${}", scope.entities[scope.own].snake);
            let recipient = random.pick(&["people".to_owned(), own]).clone();
            Some(json!({"notify": format!("{recipient}(news, {message})")}))
        }
        11 if depth > 0 => {
            let found = condition(random, &scope.of_statement(any), 2).0;
            let (known, name) = (scope.rows.len(), scope.name());
            scope.rows.push(Row { name: Some(name.clone()), entity: any, optional: false, in_loop: true });
            let mut steps = list(random, scope, depth - 1, 2);
            scope.rows.truncate(known);
            // A loop that leaves its rows alone is no use: plpgsql_check would say so.
            let counted = json!({"update": scope.entities[any].name, "set": {"count": {"$expr": "count + 1"}},
                "where": format!("id = ${name}.id")});
            steps.insert(0, counted);
            let mut head = format!("{name} in find {} WHERE {found}", scope.entities[any].name);
            if random.chance(30) {
                let orders = [" ORDER BY count DESC", " ORDER BY count, id LIMIT 3", " LIMIT 1"];
                head += *random.pick(&orders);
            }
            Some(json!({"foreach": head, "do": steps}))
        }
        _ => {
            let set = assignments(random, scope, scope.own)?;
            let assigned: Vec<String> =
                set.iter().map(|(name, value)| format!("{name} = {}", value["$expr"].as_str().unwrap())).collect();
            Some(json!({"update": format!("{} SET {}", own(scope), assigned.join(", "))}))
        }
    }
}

/// Values for some fields of an entity; bare names in them are its columns.
fn assignments(random: &mut Random, scope: &Scope<'_>, entity: usize) -> Option<Map<String, Value>> {
    let inner = scope.of_statement(entity);
    let mut set = Map::new();
    for _ in 0..1 + random.below(3) {
        let field = random.pick(&scope.entities[entity].fields).clone();
        if let Some(value) = assigned(random, &inner, &field) {
            set.insert(field.name, computed(value));
        }
    }
    (!set.is_empty()).then_some(set)
}

/// An input of the field's name, where that is of the own entity; else an expression.
fn assigned(random: &mut Random, scope: &Scope<'_>, field: &Field) -> Option<String> {
    let fits = |own: &Field| own.name == field.name && own.ty == field.ty && (own.required || !field.required);
    let is_own = scope.entities[scope.own].fields.iter().any(fits);
    if scope.inputs && is_own && random.chance(25) {
        return Some(format!("$input.{}", field.name));
    }
    value(random, scope, field)
}

fn insert(random: &mut Random, scope: &mut Scope<'_>, entity: usize) -> Option<Value> {
    let mut values = Map::new();
    for field in scope.entities[entity].fields.clone() {
        if !field.required && random.chance(60) || field.has_default {
            continue;
        }
        let reference = |scope: &Scope<'_>| {
            let Type::Ref(target) = field.ty else { return None };
            let row = scope.rows.iter().find(|row| row.entity == target && !row.optional)?;
            Some(
                row.name
                    .as_ref()
                    .map_or_else(|| format!("${}", scope.entities[target].snake), |name| format!("${name}")),
            )
        };
        let value = reference(scope).or_else(|| value(random, scope, &field)).or_else(|| {
            // Its own name is free, or has this very type.
            let same = |own: &Field| own.name == field.name;
            let own = scope.entities[scope.own].fields.iter().find(|own| same(own));
            let fits = own.is_none_or(|own| own.ty == field.ty && own.required);
            (scope.inputs && fits).then(|| format!("$input.{}", field.name))
        });
        match value {
            Some(value) => {
                values.insert(field.name.clone(), computed(value));
            }
            None if field.required => return None,
            None => {}
        }
    }
    let name = scope.name();
    // An insert of the own entity would become the current row.
    if entity == scope.own {
        return None;
    }
    scope.rows.push(Row { name: Some(name.clone()), entity, optional: false, in_loop: false });
    Some(json!({"insert": scope.entities[entity].name, "values": values, "as": name}))
}

fn call_service(random: &mut Random, scope: &mut Scope<'_>, depth: usize) -> Value {
    let send = random.chance(60);
    let operation = if send { "send" } else { "ping" };
    let mut call = json!({"service": "things", "operation": operation});
    if send {
        let title = of_type(random, scope, &Type::Text, 1).filter(|(_, nullable)| !nullable);
        let title = title.map_or_else(|| "'title'".to_owned(), |(title, _)| title);
        call["input"] = json!({"title": computed(title)});
        if let Some((count, _)) = of_type(random, scope, &Type::Integer, 1) {
            call["input"]["count"] = computed(count);
        }
        call["input"]["ready"] = computed(condition(random, scope, 1).0);
    }
    for (key, setting) in [
        ("timeout", json!(1 + random.below(100))),
        ("max_retries", json!(1 + random.below(9))),
        ("priority", json!(random.below(20))),
        ("delay", json!(format!("{} minutes", 1 + random.below(50)))),
        ("unique", json!(random.pick(&["in_flight", "once", "never"]))),
        ("correlation_field", computed(format!("${}.id", scope.entities[scope.own].snake))),
    ] {
        if random.chance(25) {
            call[key] = setting;
        }
    }
    for key in ["on_success", "on_failure"] {
        if random.chance(60) {
            let mut inner = Scope::new(scope.entities, scope.own);
            inner.rows.push(Row { name: None, entity: scope.own, optional: false, in_loop: false });
            // What the steps around the call have bound, the job carries.
            inner.rows.extend(scope.rows.iter().filter(|row| row.name.is_some()).cloned());
            inner.inputs = false;
            inner.in_callback = true;
            inner.output = key == "on_success";
            inner.error = key == "on_failure";
            inner.names = 100 * scope.names + 10;
            call[key] = list(random, &mut inner, depth - 1, 2).into();
            scope.names = inner.names;
        }
    }
    json!({"call_service": call})
}
