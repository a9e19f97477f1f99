//! Texts and bodies of a request whose input is filled in and whose settings are still references.

use specql_registry::{
    Json, Setting,
    json::Object,
    setting,
    template::{BodyTemplate, Part, Template, scalar_text},
};

use super::{
    failure::unset,
    slots::{SettingSlot, Slot, Slots},
};
use crate::runner::{Failure, Settings};

/// A text. Its pieces are encoded for the place where they stand: literal ones when it is planned, settings when they
/// are resolved.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlannedText(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Setting(Setting),
    Slot(String, SettingSlot),
}

/// Encodes the value of a field for the place where it will stand, or refuses it.
pub(super) type Encode = fn(field: &str, value: &str) -> Result<String, Failure>;

impl PlannedText {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self(vec![Piece::Text(text.into())])
    }

    pub(super) fn setting(setting: &Setting) -> Self {
        Self(vec![Piece::Setting(setting.clone())])
    }

    /// A field by itself.
    pub(super) fn slot(field: &str, slot: Slot, encode: Encode) -> Result<Option<Self>, Failure> {
        Ok(match slot {
            Slot::Value(value) => match scalar_text(&value) {
                Some(text) => Some(Self::text(encode(field, &text)?)),
                None => None,
            },
            Slot::Setting(slot) => Some(Self(vec![Piece::Slot(field.to_owned(), slot)])),
        })
    }

    /// A template filled; `None` where a slot has no value.
    pub(super) fn fill(template: &Template, slots: &Slots<'_>, encode: Encode) -> Result<Option<Self>, Failure> {
        let mut pieces = Vec::with_capacity(template.0.len());
        for part in &template.0 {
            match part {
                Part::Text(text) => pieces.push(Piece::Text(text.clone())),
                Part::Field(field) => {
                    let Some(slot) = slots.get(field) else { return Ok(None) };
                    let Some(filled) = Self::slot(field, slot, encode)? else { return Ok(None) };
                    pieces.extend(filled.0);
                }
            }
        }
        Ok(Some(Self(pieces)))
    }

    /// The text; `None` where an optional field's setting is not there. `place` says in an error what the text is for.
    pub(super) fn resolve(&self, settings: &Settings, place: &str, encode: Encode) -> Result<Option<String>, Failure> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Setting(setting) => text.push_str(&resolve(setting, settings, place)?),
                Piece::Slot(field, slot) => {
                    let Some(value) = slot.resolve(settings)?.as_ref().and_then(scalar_text) else { return Ok(None) };
                    text.push_str(&encode(field, &value)?);
                }
            }
        }
        Ok(Some(text))
    }
}

/// A JSON body.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PlannedBody {
    Value(Json),
    Text(PlannedText),
    Setting(Setting),
    Slot(SettingSlot),
    Array(Vec<PlannedBody>),
    Object(Vec<(String, PlannedBody)>),
}

impl PlannedBody {
    /// A body template filled; `None` where it is a slot without a value, or only such slots were in it.
    pub(super) fn fill(template: &BodyTemplate, slots: &Slots<'_>) -> Result<Option<Self>, Failure> {
        Ok(match template {
            BodyTemplate::Constant(value) => Some(Self::Value(value.clone())),
            BodyTemplate::Setting(setting) => Some(Self::Setting(setting.clone())),
            BodyTemplate::Text(text) => PlannedText::fill(text, slots, as_is)?.map(Self::Text),
            BodyTemplate::Field(field) => slots.get(field).map(Self::slot),
            BodyTemplate::Array(items) => {
                let mut filled = Vec::with_capacity(items.len());
                for item in items {
                    filled.extend(Self::fill(item, slots)?);
                }
                (items.is_empty() || !filled.is_empty()).then_some(Self::Array(filled))
            }
            BodyTemplate::Object(members) => {
                let mut filled = Vec::with_capacity(members.len());
                for (key, member) in members {
                    filled.extend(Self::fill(member, slots)?.map(|member| (key.clone(), member)));
                }
                (members.is_empty() || !filled.is_empty()).then_some(Self::Object(filled))
            }
        })
    }

    pub(super) fn slot(slot: Slot) -> Self {
        match slot {
            Slot::Value(value) => Self::Value(value),
            Slot::Setting(slot) => Self::Slot(slot),
        }
    }

    /// The JSON; `None` where it is an optional field's setting that is not there.
    pub(super) fn resolve(&self, settings: &Settings, key: &str) -> Result<Option<Json>, Failure> {
        Ok(match self {
            Self::Value(value) => Some(value.clone()),
            Self::Text(text) => text.resolve(settings, key, as_is)?.map(Json::String),
            Self::Setting(setting) => Some(Json::String(resolve(setting, settings, key)?)),
            Self::Slot(slot) => slot.resolve(settings)?,
            Self::Array(items) => {
                let mut array = Vec::with_capacity(items.len());
                for item in items {
                    array.extend(item.resolve(settings, key)?);
                }
                Some(Json::Array(array))
            }
            Self::Object(members) => {
                let mut object = Object::new();
                for (key, member) in members {
                    if let Some(value) = member.resolve(settings, key)? {
                        object.insert(key.clone(), value);
                    }
                }
                Some(Json::Object(object))
            }
        })
    }
}

/// For places that encode the whole text later, or not at all.
#[expect(clippy::unnecessary_wraps, reason = "the signature of an encoder")]
pub(super) fn as_is(_field: &str, value: &str) -> Result<String, Failure> {
    Ok(value.to_owned())
}

/// A setting of the configuration; a credential, and masked from now on, where the name of its place says so.
pub(super) fn resolve(setting: &Setting, settings: &Settings, place: &str) -> Result<String, Failure> {
    let resolved =
        if setting::names_credential(place) { settings.resolve_credential(setting) } else { settings.resolve(setting) };
    resolved.map_err(|error| unset(format!("`{place}`: {error}")))
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use serde_json::{Value, json};
    use specql_registry::{Basic, Schema, SchemaField, ValueType, schema::FieldDefault};

    use super::*;

    /// `to`, `cc`, `n` without defaults; `source` and `count` with defaults from the environment.
    fn schema() -> Schema {
        let field = |ty, default| SchemaField { ty: ValueType::Basic(ty), required: false, default, description: None };
        let env = |name: &str| Some(FieldDefault::Setting(Setting::Env { name: name.into(), default: None }));
        Schema {
            fields: IndexMap::from([
                ("to".to_owned(), field(Basic::Json, None)),
                ("cc".to_owned(), field(Basic::Text, None)),
                ("n".to_owned(), field(Basic::Integer, None)),
                ("source".to_owned(), field(Basic::Text, env("SOURCE"))),
                ("count".to_owned(), field(Basic::Integer, env("COUNT"))),
            ]),
        }
    }

    fn body(template: &BodyTemplate, input: Value, env: &[(&str, &str)]) -> Result<Option<Value>, String> {
        let Json::Object(input) = Json::from(input) else { panic!("an input is an object") };
        let schema = schema();
        let settings = Settings::new(env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect());
        let planned = PlannedBody::fill(template, &Slots { schema: &schema, input: &input }).unwrap();
        let body = planned.map_or(Ok(None), |planned| planned.resolve(&settings, "body"));
        body.map(|body| body.map(Value::from)).map_err(|failure| failure.message)
    }

    fn text(text: &str) -> BodyTemplate {
        BodyTemplate::parse_text(text).unwrap()
    }

    #[test]
    fn a_body_takes_json_values_and_leaves_missing_slots_out() {
        let address = BodyTemplate::Object(IndexMap::from([("email".to_owned(), text("{cc}"))]));
        let template = BodyTemplate::Object(IndexMap::from([
            ("list".to_owned(), BodyTemplate::Array(vec![text("{to}"), text("{cc}")])),
            ("cc".to_owned(), BodyTemplate::Array(vec![address])),
            ("text".to_owned(), text("n={n}")),
            ("gone".to_owned(), text("x {cc}")),
            ("from".to_owned(), BodyTemplate::Setting(Setting::Literal("me".into()))),
            ("n".to_owned(), text("{n}")),
        ]));
        let rendered = body(&template, json!({"to": {"a": 1}, "n": 5, "cc": null}), &[]);
        assert_eq!(rendered, Ok(Some(json!({"list": [{"a": 1}], "text": "n=5", "from": "me", "n": 5}))));
    }

    #[test]
    fn a_default_from_the_environment_has_its_fields_type() {
        let template = BodyTemplate::Array(vec![text("{source}"), text("{count}"), text("{source}/{count}")]);
        let env = [("SOURCE", "42"), ("COUNT", "42")];
        assert_eq!(body(&template, json!({}), &env), Ok(Some(json!(["42", 42, "42/42"]))));
        assert_eq!(body(&template, json!({"source": "x"}), &env), Ok(Some(json!(["x", 42, "x/42"]))));
    }

    #[test]
    fn an_unset_default_of_an_optional_field_leaves_it_out_and_a_wrong_one_is_an_error_without_its_value() {
        assert_eq!(body(&text("{source}"), json!({}), &[]), Ok(None));
        let error = body(&text("{count}"), json!({}), &[("COUNT", "many")]).unwrap_err();
        assert_eq!(error, "default of input `count`: the setting holds no integer");
    }

    #[test]
    fn a_missing_setting_of_the_configuration_names_its_place() {
        let template = BodyTemplate::Object(IndexMap::from([(
            "from".to_owned(),
            BodyTemplate::Setting(Setting::Env { name: "SPECQL_NO_SUCH".into(), default: None }),
        )]));
        let error = body(&template, json!({}), &[]).unwrap_err();
        assert_eq!(error, "`from`: environment variable `SPECQL_NO_SUCH` is not set");
    }
}
