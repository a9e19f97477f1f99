//! What fills a template's slots: the input's values, and defaults that only the worker can resolve.

use specql_registry::{
    Basic, FailureClass, Json, Schema, Setting, ValueType, json::Object, scalars::ScalarBase, schema::FieldDefault,
    setting,
};

use super::failure;
use crate::runner::{Failure, Settings, settings::SettingError};

/// The input of a job, seen by field.
#[derive(Clone, Copy)]
pub(super) struct Slots<'a> {
    pub(super) schema: &'a Schema,
    pub(super) input: &'a Object,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Slot {
    Value(Json),
    Setting(SettingSlot),
}

/// A field that was not given, and whose default is a setting.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SettingSlot {
    field: String,
    setting: Setting,
    ty: ValueType,
    required: bool,
}

impl<'a> Slots<'a> {
    /// What a field holds; `None` where it was not given and has no default.
    pub(super) fn get(&self, field: &str) -> Option<Slot> {
        if let Some(value) = self.input.get(field).filter(|value| !value.is_null()) {
            return Some(Slot::Value(value.clone()));
        }
        let declared = self.schema.fields.get(field)?;
        match &declared.default {
            Some(FieldDefault::Setting(setting)) => Some(Slot::Setting(SettingSlot {
                field: field.to_owned(),
                setting: setting.clone(),
                ty: declared.ty.clone(),
                required: declared.required,
            })),
            Some(FieldDefault::Value(value)) => Some(Slot::Value(value.clone().into())),
            None => None,
        }
    }

    /// All fields that can be given, in the order of the schema.
    pub(super) fn fields(&self) -> impl Iterator<Item = &'a str> {
        self.schema.fields.keys().map(String::as_str)
    }
}

impl SettingSlot {
    /// The default's value, of the field's type; `None` for an optional field whose variable is not set on this machine.
    pub(super) fn resolve(&self, settings: &Settings) -> Result<Option<Json>, Failure> {
        let resolved = if setting::names_credential(&self.field) {
            settings.resolve_credential(&self.setting)
        } else {
            settings.resolve(&self.setting)
        };
        let text = match resolved {
            Ok(text) => text,
            Err(SettingError::Unset(_)) if !self.required => return Ok(None),
            Err(error) => return Err(self.denied(&error.to_string())),
        };
        let value = if is_text(&self.ty) {
            Json::String(text)
        } else {
            Json::parse(&text).map_err(|_| self.denied(&format!("the setting holds no {}", self.ty.describe())))?
        };
        // The message of a failed check would show the value.
        let checked = self.ty.check(&value);
        checked.map(Some).map_err(|_| self.denied(&format!("the setting holds no {}", self.ty.describe())))
    }

    fn denied(&self, why: &str) -> Failure {
        failure(FailureClass::PolicyDenied, format!("default of input `{}`: {why}", self.field))
    }
}

/// Whether a value of this type stands in the setting as it is, rather than as JSON.
fn is_text(ty: &ValueType) -> bool {
    match ty {
        ValueType::Basic(basic) => matches!(basic, Basic::Text | Basic::Timestamp),
        ValueType::Decimal(_) | ValueType::Enum(_) => true,
        ValueType::Scalar(scalar) => scalar.info().base != ScalarBase::Point,
        ValueType::Composite(_) | ValueType::List(_) | ValueType::Object(_) => false,
    }
}
