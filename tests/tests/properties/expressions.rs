//! Random expressions of a wanted type.

use specql_tests::random::Random;

use crate::project::{Entity, Field, Type};

/// A row that expressions may read.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// `None`: by bare names.
    pub(crate) name: Option<String>,
    pub(crate) entity: usize,
    /// All of its columns may be NULL.
    pub(crate) optional: bool,
    /// One of many.
    pub(crate) in_loop: bool,
}

/// What expressions may name.
#[derive(Clone, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) entities: &'a [Entity],
    /// The action's own entity.
    pub(crate) own: usize,
    pub(crate) rows: Vec<Row>,
    /// Inputs may be named: not in callbacks.
    pub(crate) inputs: bool,
    /// `$output` may be named.
    pub(crate) output: bool,
    /// `$error` may be named.
    pub(crate) error: bool,
    /// How many names were given.
    pub(crate) names: usize,
    /// In a foreach a second row of the same entity is the current one.
    pub(crate) in_callback: bool,
}

impl<'a> Scope<'a> {
    pub(crate) const fn new(entities: &'a [Entity], own: usize) -> Self {
        Self {
            entities,
            own,
            rows: Vec::new(),
            inputs: true,
            output: false,
            error: false,
            names: 0,
            in_callback: false,
        }
    }

    /// A new variable's name.
    pub(crate) fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    /// The same, where bare names are columns of `entity`: in `WHERE` and `SET`.
    pub(crate) fn of_statement(&self, entity: usize) -> Self {
        let mut scope = self.clone();
        scope.rows.retain(|row| row.name.is_some());
        scope.rows.push(Row { name: None, entity, optional: false, in_loop: false });
        scope
    }

    /// Every column of the type that may be named, and whether it may be NULL.
    fn columns(&self, ty: &Type) -> Vec<(String, bool)> {
        let mut found = Vec::new();
        for row in &self.rows {
            let prefix = row.name.as_ref().map(|name| format!("${name}.")).unwrap_or_default();
            for field in &self.entities[row.entity].fields {
                if field.ty == *ty {
                    found.push((format!("{prefix}{}", field.name), row.optional || !field.required));
                }
                if let (Type::Ref(target), Some(_)) = (&field.ty, &row.name) {
                    let same = self.entities[*target].fields.iter().filter(|far| far.ty == *ty);
                    found.extend(same.map(|far| (format!("{prefix}{}.{}", field.name, far.name), true)));
                }
            }
        }
        found
    }
}

/// A value for a field: never one that may be NULL where the field is required.
pub(crate) fn value(random: &mut Random, scope: &Scope<'_>, field: &Field) -> Option<String> {
    let expression = of_type(random, scope, &field.ty, 2);
    match expression {
        Some((text, nullable)) if !(nullable && field.required) => Some(text),
        _ if !field.required && random.chance(50) => Some("NULL".to_owned()),
        _ => literal(random, &field.ty),
    }
}

/// A constant of the type.
pub(crate) fn literal(random: &mut Random, ty: &Type) -> Option<String> {
    Some(match ty {
        Type::Text => (*random.pick(&["'x'", "'it''s'", "''", "'a%b'", "'ÄÖ \\ \"q\"'"])).to_owned(),
        Type::Integer | Type::Bigint => random.below(100).to_string(),
        Type::Float | Type::Decimal => format!("{}.{}", random.below(100), 5 * random.below(2)),
        Type::Boolean => (*random.pick(&["TRUE", "FALSE"])).to_owned(),
        Type::Timestamp => (*random.pick(&["now()", "'2026-01-31T12:00:00Z'"])).to_owned(),
        Type::Enum(values) => format!("'{}'", random.pick(values).replace('\'', "''")),
        Type::Ref(_) => return None,
        Type::Named(name) => match name.as_str() {
            "uuid" => "'018f3f6e-7b0a-7c3e-9d7e-0123456789ab'".to_owned(),
            "date" => "'2026-02-28'".to_owned(),
            "money" => "19.99".to_owned(),
            "email" => "'ada@example.eu'".to_owned(),
            _ => return None,
        },
    })
}

/// An expression of the type, and whether it may be NULL.
pub(crate) fn of_type(random: &mut Random, scope: &Scope<'_>, ty: &Type, depth: usize) -> Option<(String, bool)> {
    let columns = scope.columns(ty);
    if depth == 0 || random.chance(30) {
        if !columns.is_empty() && random.chance(60) {
            return Some(random.pick(&columns).clone());
        }
        return literal(random, ty).map(|text| (text, false)).or_else(|| columns.first().cloned());
    }
    let deeper = depth - 1;
    let part = |random: &mut Random, ty: &Type| of_type(random, scope, ty, deeper);
    // What every type has.
    match random.below(8) {
        0 => {
            let (condition, _) = condition(random, scope, deeper);
            let (first, a) = of_type(random, scope, ty, deeper)?;
            let (second, b) = of_type(random, scope, ty, deeper)?;
            if !columns.is_empty() && !constant(&first) {
                return Some((format!("CASE WHEN {condition} THEN {first} ELSE {second} END"), a || b));
            }
            return Some((first, a));
        }
        1 if !columns.is_empty() && literal(random, ty).is_some() => {
            let (column, _) = random.pick(&columns).clone();
            return Some((format!("coalesce({column}, {})", literal(random, ty)?), false));
        }
        _ => {}
    }
    Some(match ty {
        Type::Text => match random.below(6) {
            0 => {
                let (inner, nullable) = part(random, &Type::Text)?;
                (format!("{}({inner})", random.pick(&["lower", "upper", "trim"])), nullable)
            }
            1 => {
                let ((a, x), (b, y)) = (part(random, &Type::Text)?, part(random, &Type::Text)?);
                (format!("{a} || {b}"), x || y)
            }
            2 => {
                let ((a, _), (b, _)) = (part(random, &Type::Text)?, part(random, &Type::Integer)?);
                (format!("concat({a}, ' ', {b})"), false)
            }
            3 if scope.output => ("$output.id".to_owned(), false),
            3 if scope.error => ((*random.pick(&["$error.message", "$error.kind"])).to_owned(), false),
            4 if scope.in_callback => ((*random.pick(&["$job.service", "$job.operation"])).to_owned(), false),
            _ => columns.first().cloned().unwrap_or_else(|| ("'y'".to_owned(), false)),
        },
        Type::Integer => match random.below(6) {
            0 | 1 => {
                let ((a, x), (b, y)) = (part(random, ty)?, part(random, ty)?);
                (format!("({a} {} {b})", random.pick(&["+", "-"])), x || y)
            }
            2 => {
                let (a, nullable) = part(random, ty)?;
                (format!("({a} % {})", 1 + random.below(9)), nullable)
            }
            3 => {
                let (inner, nullable) = part(random, &Type::Text)?;
                (format!("length({inner})"), nullable)
            }
            4 => {
                let ((a, x), (b, y)) = (part(random, ty)?, part(random, ty)?);
                (format!("{}({a}, {b})", random.pick(&["greatest", "least"])), x && y)
            }
            _ => {
                let (inner, nullable) = part(random, ty)?;
                (format!("abs({inner})"), nullable)
            }
        },
        Type::Boolean => condition(random, scope, deeper),
        Type::Timestamp => {
            let (inner, nullable) = part(random, ty)?;
            (format!("date_trunc('{}', {inner})", random.pick(&["day", "month", "hour"])), nullable)
        }
        _ => match columns.is_empty() {
            false => random.pick(&columns).clone(),
            true => (literal(random, ty)?, false),
        },
    })
}

fn constant(text: &str) -> bool {
    text.starts_with('\'') || text.starts_with(|c: char| c.is_ascii_digit())
}

/// Types whose values are compared.
const COMPARED: [Type; 6] = [Type::Text, Type::Integer, Type::Float, Type::Decimal, Type::Bigint, Type::Timestamp];

/// A boolean expression, and whether it may be NULL.
pub(crate) fn condition(random: &mut Random, scope: &Scope<'_>, depth: usize) -> (String, bool) {
    if depth > 0 {
        let deeper = depth - 1;
        match random.below(5) {
            0 => {
                let ((a, x), (b, y)) = (condition(random, scope, deeper), condition(random, scope, deeper));
                return (format!("({a} {} {b})", random.pick(&["AND", "OR"])), x || y);
            }
            1 => {
                let (inner, nullable) = condition(random, scope, deeper);
                return (format!("NOT ({inner})"), nullable);
            }
            2 if random.chance(30) => {
                let any = random.below(scope.entities.len());
                let (inner, _) = condition(random, &scope.of_statement(any), deeper);
                let name = &scope.entities[any].name;
                return match random.below(3) {
                    0 => (format!("exists({name} WHERE {inner})"), false),
                    1 => (format!("count({name} WHERE {inner}) < {}", random.below(9)), false),
                    _ => (format!("max({name}.count WHERE {inner}) > {}", random.below(9)), true),
                };
            }
            _ => {}
        }
    }
    let flags = scope.columns(&Type::Boolean);
    if !flags.is_empty() && random.chance(20) {
        return random.pick(&flags).clone();
    }
    if random.chance(15) {
        // Any column at all may be asked for.
        let row = random.pick(&scope.rows).clone();
        let prefix = row.name.as_ref().map(|name| format!("${name}.")).unwrap_or_default();
        let field = random.pick(&scope.entities[row.entity].fields);
        return (format!("{prefix}{} IS {}NULL", field.name, random.pick(&["", "NOT "])), false);
    }
    let ty = random.pick(&COMPARED).clone();
    let columns = scope.columns(&ty);
    let (ty, columns) = match columns.is_empty() {
        true => (Type::Text, scope.columns(&Type::Text)),
        false => (ty, columns),
    };
    let Some((left, nullable)) = (!columns.is_empty()).then(|| random.pick(&columns).clone()) else {
        return ("TRUE".to_owned(), false);
    };
    let constant = |random: &mut Random| literal(random, &ty).unwrap_or_else(|| "0".to_owned());
    match random.below(5) {
        0 => {
            let not = random.pick(&["", "NOT "]);
            (format!("{left} {not}IN ({}, {})", constant(random), constant(random)), nullable)
        }
        1 => {
            let not = random.pick(&["", "NOT "]);
            (format!("{left} {not}BETWEEN {} AND {}", constant(random), constant(random)), nullable)
        }
        2 if ty == Type::Text => {
            let not = random.pick(&["", "NOT "]);
            let test = match random.below(3) {
                0 => format!("{not}LIKE '%a_'"),
                1 => format!("{not}ILIKE 'A%'"),
                _ => format!("{} '^[a-z]+'", random.pick(&["~", "!~", "~*"])),
            };
            (format!("{left} {test}"), nullable)
        }
        _ => {
            let operator = random.pick(&["=", "<>", "<", "<=", ">", ">="]);
            let (right, other) = match random.chance(50) {
                true => random.pick(&columns).clone(),
                false => (constant(random), false),
            };
            (format!("{left} {operator} {right}"), nullable || other)
        }
    }
}
