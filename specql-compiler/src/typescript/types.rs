//! Types, as they stand in views, results and inputs. What a JSON reader could round is a string there.

use specql_registry::{Basic, ValueType, scalars::ScalarBase};

/// The type of a value.
#[cfg_attr(not(test), allow(dead_code, reason = "so far only the reference spells types, and no value's"))]
#[must_use]
pub(crate) fn value(ty: &ValueType) -> String {
    match ty {
        ValueType::Basic(ty) => basic(*ty).to_owned(),
        ValueType::Decimal(_) => "string".to_owned(),
        ValueType::Scalar(scalar) => scalar_base(scalar.info().base).to_owned(),
        ValueType::Composite(composite) => composite.info().name.to_owned(),
        ValueType::Enum(values) => {
            let values: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
            values.join(" | ")
        }
        ValueType::List(item) => match &**item {
            ValueType::Enum(_) => format!("({})[]", value(item)),
            _ => format!("{}[]", value(item)),
        },
        ValueType::Object(schema) => {
            let optional = |required: bool| if required { "" } else { "?" };
            let fields: Vec<String> = schema
                .fields
                .iter()
                .map(|(name, field)| format!("{name}{}: {}", optional(field.required), value(&field.ty)))
                .collect();
            format!("{{ {} }}", fields.join("; "))
        }
    }
}

/// The type of a basic value.
pub(crate) const fn basic(ty: Basic) -> &'static str {
    match ty {
        Basic::Text | Basic::Bigint | Basic::Timestamp => "string",
        Basic::Integer | Basic::Float => "number",
        Basic::Boolean => "boolean",
        Basic::Json => "unknown",
    }
}

const fn scalar_base(base: ScalarBase) -> &'static str {
    match base {
        ScalarBase::Point => "{ x: number; y: number }",
        _ => "string",
    }
}

#[cfg(test)]
mod tests {
    use specql_registry::scalars::Scalar;

    use super::*;

    #[test]
    fn every_type_has_one_in_typescript() {
        let scalar = |name| ValueType::Scalar(Scalar::from_name(name).unwrap());
        let list = |item| ValueType::List(Box::new(item));
        let values = ValueType::Enum(vec!["open".to_owned(), "in-work".to_owned()]);
        for (ty, typescript) in [
            (ValueType::Basic(Basic::Integer), "number"),
            (ValueType::Basic(Basic::Bigint), "string"),
            (ValueType::Decimal(Some((10, 2))), "string"),
            (scalar("money"), "string"),
            (scalar("coordinates"), "{ x: number; y: number }"),
            (list(scalar("email")), "string[]"),
            (values.clone(), "'open' | 'in-work'"),
            (list(values), "('open' | 'in-work')[]"),
        ] {
            assert_eq!(value(&ty), typescript);
        }
    }
}
