//! The steps of actions and callbacks, as they are written.

use super::{
    call_service::{self, CallServiceSyntax},
    expr::{Ast, parse_update},
    keys::{self, Keys},
    value,
};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0131_wrong_shape as wrong_shape, sq0133_missing_key as missing_key,
            sq0134_not_supported as not_supported, sq0201_unknown_step as unknown_step,
            sq0301_expression_syntax as expression_syntax,
        },
    },
    source::{
        Span, Spanned,
        yaml::{Node, Value},
    },
};

/// A step.
#[derive(Clone, Debug)]
pub struct StepSyntax {
    /// What it does.
    pub kind: StepKindSyntax,
    /// The whole step.
    pub span: Span,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum StepKindSyntax {
    /// `validate:`.
    Validate {
        /// The condition.
        condition: Ast,
        /// `error:`.
        error: Option<Spanned<String>>,
        /// `message:`.
        message: Option<String>,
    },
    /// `insert:`.
    Insert {
        /// The entity.
        entity: Spanned<String>,
        /// `values:`.
        values: Option<AssignmentsSyntax>,
        /// `as:`.
        bind: Option<Spanned<String>>,
    },
    /// `update:`, in either form.
    Update {
        /// The entity.
        entity: Spanned<String>,
        /// Field and value.
        set: Vec<(Spanned<String>, Ast)>,
        /// `WHERE`.
        condition: Option<Ast>,
    },
    /// `if:`.
    If {
        /// The condition.
        condition: Ast,
        /// `then:`.
        then: Vec<StepSyntax>,
        /// `else:`.
        otherwise: Vec<StepSyntax>,
    },
    /// `reject:`.
    Reject {
        /// The code.
        code: Spanned<String>,
    },
    /// `call_service:`.
    CallService(Box<CallServiceSyntax>),
}

/// A step of the language: the key that names it, and the keys that may stand beside.
struct StepForm {
    key: &'static str,
    /// The name itself first.
    keys: &'static [&'static str],
    supported: bool,
}

/// All steps of the language.
const STEPS: &[StepForm] = &[
    StepForm { key: "validate", keys: &["validate", "error", "message"], supported: true },
    StepForm { key: "insert", keys: &["insert", "values", "as"], supported: true },
    StepForm { key: "update", keys: &["update", "set", "where"], supported: true },
    StepForm { key: "if", keys: &["if", "then", "else"], supported: true },
    StepForm { key: "reject", keys: &["reject"], supported: true },
    StepForm { key: "call_service", keys: &["call_service"], supported: true },
    StepForm { key: "delete", keys: &[], supported: false },
    StepForm { key: "find", keys: &[], supported: false },
    StepForm { key: "foreach", keys: &[], supported: false },
    StepForm { key: "call", keys: &[], supported: false },
    StepForm { key: "notify", keys: &[], supported: false },
    StepForm { key: "return", keys: &[], supported: false },
];

/// Reads a list of steps. `complete` becomes false when one had to be left out.
pub fn read_all(node: &Node, key: &str, complete: &mut bool, diagnostics: &mut Vec<Diagnostic>) -> Vec<StepSyntax> {
    let Some(elements) = keys::sequence(node, key, diagnostics) else {
        *complete = false;
        return Vec::new();
    };
    let mut steps = Vec::new();
    for element in elements {
        match read(element, complete, diagnostics) {
            Some(step) => steps.push(step),
            None => *complete = false,
        }
    }
    steps
}

/// Reads a step.
fn read(node: &Node, complete: &mut bool, diagnostics: &mut Vec<Diagnostic>) -> Option<StepSyntax> {
    let Value::Mapping(entries) = &node.value else {
        diagnostics.push(wrong_shape::error(node, "a step", "a mapping such as `update: Order SET …`"));
        return None;
    };
    let named: Vec<_> = entries
        .iter()
        .filter_map(|entry| STEPS.iter().find(|form| form.key == entry.key).map(|form| (form, entry)))
        .collect();
    let Some((form, entry)) = named.first() else {
        let names: Vec<_> = STEPS.iter().map(|form| form.key).collect();
        diagnostics.push(unknown_step::error(node, entries.first(), &names));
        return None;
    };
    if let Some((second, entry)) = named.get(1) {
        diagnostics.push(unknown_step::two_in_one(entry, form.key, second.key));
        return None;
    }
    if !form.supported {
        diagnostics.push(not_supported::step(entry.key_span, form.key));
        return None;
    }
    let keys = Keys::read(node, "a step", form.keys, diagnostics)?;
    let subject = &entry.value;
    let kind = match form.key {
        "validate" => validate(&keys, subject, diagnostics)?,
        "insert" => insert(&keys, subject, diagnostics)?,
        "update" => update(&keys, subject, diagnostics)?,
        "if" => branch(&keys, subject, complete, diagnostics)?,
        "reject" => StepKindSyntax::Reject { code: keys::text(subject, "reject", diagnostics)? },
        _ => StepKindSyntax::CallService(Box::new(call_service::read(subject, entry.key_span, complete, diagnostics)?)),
    };
    Some(StepSyntax { kind, span: node.span })
}

fn validate(keys: &Keys<'_>, subject: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<StepKindSyntax> {
    let error = keys.text("error", diagnostics);
    let message = keys.text("message", diagnostics).map(|message| message.value);
    Some(StepKindSyntax::Validate { condition: value::read(subject, diagnostics)?, error, message })
}

fn insert(keys: &Keys<'_>, subject: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<StepKindSyntax> {
    let bind = keys.text("as", diagnostics);
    let values = keys.get("values").map(|node| assignments(node, "values", diagnostics));
    Some(StepKindSyntax::Insert { entity: keys::text(subject, "insert", diagnostics)?, values, bind })
}

fn update(keys: &Keys<'_>, subject: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<StepKindSyntax> {
    let written = keys::text(subject, "update", diagnostics)?;
    let parsed = parse_update(subject, &written.value).map_err(|error| diagnostics.push(*error)).ok()?;
    let mut set = parsed.set;
    if let Some(node) = keys.get("set") {
        if let Some((field, _)) = set.first() {
            diagnostics.push(wrong_shape::twice(field.span, "SET", "set"));
            return None;
        }
        let written = assignments(node, "set", diagnostics);
        if written.list.is_empty() && !written.whole {
            return None;
        }
        set = written.list;
    }
    let mut condition = parsed.condition;
    if let Some(node) = keys.get("where") {
        if let Some(condition) = &condition {
            diagnostics.push(wrong_shape::twice(condition.span, "WHERE", "where"));
            return None;
        }
        condition = Some(value::read(node, diagnostics)?);
    }
    if set.is_empty() {
        diagnostics.push(
            expression_syntax::error(subject.span, "this update sets nothing")
                .help(format!("write `update: {} SET field = value`, or give it a `set:`", parsed.entity.value)),
        );
        return None;
    }
    Some(StepKindSyntax::Update { entity: parsed.entity, set, condition })
}

fn branch(
    keys: &Keys<'_>,
    subject: &Node,
    complete: &mut bool,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<StepKindSyntax> {
    if keys.entry("then").is_none() {
        diagnostics.push(missing_key::error(subject.span, "a step `if`", "then"));
        *complete = false;
    }
    let mut steps = |key| match keys.get(key) {
        Some(node) => read_all(node, key, complete, diagnostics),
        None => Vec::new(),
    };
    let (then, otherwise) = (steps("then"), steps("else"));
    Some(StepKindSyntax::If { condition: value::read(subject, diagnostics)?, then, otherwise })
}

/// `{field: expression, …}`.
#[derive(Clone, Debug, Default)]
pub struct AssignmentsSyntax {
    /// Field and value, as far as they could be read.
    pub list: Vec<(Spanned<String>, Ast)>,
    /// All could be read; else it is not known what is missing.
    pub whole: bool,
}

/// Reads `values:`, `set:` or `input:`.
pub(in crate::syntax) fn assignments(node: &Node, key: &str, diagnostics: &mut Vec<Diagnostic>) -> AssignmentsSyntax {
    let Some(entries) = keys::mapping(node, key, diagnostics) else { return AssignmentsSyntax::default() };
    let list: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            let value = value::read(&entry.value, diagnostics)?;
            Some((Spanned { value: entry.key.clone(), span: entry.key_span }, value))
        })
        .collect();
    AssignmentsSyntax { whole: list.len() == entries.len(), list }
}
