//! Schedules, as they are written.

use super::{
    expr::Ast,
    keys::{self, Keys},
    value,
};
use crate::{
    diagnostics::Diagnostic,
    keys::{Key, Shape, Table},
    source::{Span, Spanned, yaml::Node},
};

/// A schedule.
#[derive(Clone, Debug)]
pub struct ScheduleSyntax {
    /// `name:`.
    pub name: Spanned<String>,
    /// `cron:`.
    pub cron: Option<Spanned<String>>,
    /// `timezone:`.
    pub timezone: Option<Spanned<String>>,
    /// `action:`.
    pub action: Option<Spanned<String>>,
    /// `for_each_tenant:`, and whether it says so.
    pub for_each_tenant: Option<Spanned<bool>>,
    /// `catch_up:`.
    pub catch_up: Option<Spanned<String>>,
    /// `renamed_from:`.
    pub renamed_from: Option<Spanned<String>>,
    /// `input:`; values that could not be read are `None`.
    pub input: Vec<(Spanned<String>, Option<Ast>)>,
    /// Where a missing input is shown: at `input:`, else at the first key.
    pub input_span: Span,
}

/// A schedule.
pub static SCHEDULE: Table = Table::new(
    "a schedule",
    &[
        Key::new("name", Shape::Name, "its name, one of its own in the entity").required(),
        Key::new(
            "cron",
            Shape::Text,
            "when it is due: minute, hour, day, month, weekday; seconds may stand before them",
        )
        .required(),
        Key::new("timezone", Shape::Text, "whose clocks it goes by: a name of the IANA database").default("`UTC`"),
        Key::new("action", Shape::Name, "what is called: an action of the entity, or any by its wrapper").required(),
        Key::new("input", Shape::Map(&Shape::Value), "what the action is given: constants").default("nothing"),
        Key::new(
            "for_each_tenant",
            Shape::Boolean,
            "whether the action is called for each tenant, each call in a transaction of its own",
        )
        .default("`false`"),
        Key::new(
            "catch_up",
            Shape::Words(&["none", "one", "all"]),
            "what becomes of times at which no worker was there: skipped, one call for all, or one for each",
        )
        .default("`one`"),
        Key::new("renamed_from", Shape::Name, "the name that it had before: what it has counted so far is kept"),
    ],
);

/// Reads `schedules:`.
pub(super) fn read_all(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<ScheduleSyntax> {
    let elements = keys::sequence(node, "schedules", diagnostics).unwrap_or_default();
    elements.iter().filter_map(|element| read(element, diagnostics)).collect()
}

fn read(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<ScheduleSyntax> {
    let keys = Keys::read(node, &SCHEDULE, diagnostics)?;
    let place = keys.first();
    let name = keys.required_text("name", place, diagnostics);
    let cron = keys.required_text("cron", place, diagnostics);
    let action = keys.required_text("action", place, diagnostics);
    let entries = keys.get("input").and_then(|node| keys::mapping(node, "input", diagnostics)).unwrap_or_default();
    let mut input = Vec::new();
    for entry in entries {
        let name = Spanned { value: entry.key.clone(), span: entry.key_span };
        input.push((name, value::read(&entry.value, diagnostics)));
    }
    Some(ScheduleSyntax {
        timezone: keys.text("timezone", diagnostics),
        for_each_tenant: keys
            .boolean("for_each_tenant", diagnostics)
            .zip(keys.entry("for_each_tenant"))
            .map(|(value, entry)| Spanned { value, span: entry.key_span }),
        catch_up: keys.text("catch_up", diagnostics),
        renamed_from: keys.text("renamed_from", diagnostics),
        input_span: keys.entry("input").map_or(place, |entry| entry.key_span),
        name: name?,
        cron,
        action,
        input,
    })
}
