//! The steps of actions and callbacks, as they are written.

mod effect;
mod foreach;
mod rows;
mod walk;

use super::{
    call_service::{self, CallServiceSyntax},
    expr::{Ast, CallSyntax, ForeachSyntax, NotifySyntax, OrderSyntax, RowsSyntax, parse_update},
    keys::{self, Keys},
    value,
};
use crate::{
    diagnostics::{
        Diagnostic,
        rules::{
            sq0131_wrong_shape as wrong_shape, sq0133_missing_key as missing_key, sq0201_unknown_step as unknown_step,
            sq0301_expression_syntax as expression_syntax,
        },
    },
    keys::{Key, Shape, Table},
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
        message: Option<Ast>,
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
    /// `delete:`.
    Delete {
        /// Which rows.
        rows: RowsSyntax,
        /// `hard:`.
        hard: bool,
    },
    /// `find:`.
    Find {
        /// Which row.
        rows: RowsSyntax,
        /// `ORDER BY`: the first row in this order.
        order: Vec<OrderSyntax>,
        /// `as:`.
        bind: Option<Spanned<String>>,
        /// `optional:`.
        optional: bool,
        /// `lock:`.
        lock: Option<Spanned<bool>>,
    },
    /// `foreach:`.
    Foreach {
        /// The element and what it is taken from.
        head: ForeachSyntax,
        /// `in_batches_of:`.
        batch: Option<Spanned<i64>>,
        /// `do:`.
        steps: Vec<StepSyntax>,
    },
    /// `call:`.
    Call {
        /// The function and its arguments.
        call: CallSyntax,
        /// `as:`, `store:`.
        bind: Option<Spanned<String>>,
    },
    /// `notify:`.
    Notify(NotifySyntax),
    /// `return:`.
    Return(ReturnSyntax),
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

/// What a `return` says.
#[derive(Clone, Debug)]
pub enum ReturnSyntax {
    /// Nothing: it only ends.
    Nothing,
    /// Words that are no expression: a message, with `{$path}` in it.
    Words(Ast),
    /// An expression.
    Value(Ast),
}

impl StepSyntax {
    /// The lists of steps inside this one, without those of callbacks.
    pub fn branches(&self) -> impl Iterator<Item = &[Self]> {
        let (first, second): (&[Self], &[Self]) = match &self.kind {
            StepKindSyntax::If { then, otherwise, .. } => (then, otherwise),
            StepKindSyntax::Foreach { steps, .. } => (steps, &[]),
            _ => (&[], &[]),
        };
        [first, second].into_iter()
    }
}

/// The most rows of a batch: all of them are locked in one transaction.
pub const MAX_BATCH: i64 = 100_000;

/// All steps of the language: the key that names one comes first, and behind it what may stand beside.
pub static STEPS: &[Table] = &[
    Table::new(
        "a step `validate`",
        &[
            Key::new("validate", Shape::Expression, "ends the action unless this is true; NULL is not").required(),
            Key::new("error", Shape::Name, "the code behind `validation:`").default("`invalid`"),
            Key::new("message", Shape::Text, "the message of the result, with `{$path}` in it"),
        ],
    ),
    Table::new(
        "a step `insert`",
        &[
            Key::new("insert", Shape::Entity, "inserts a row of that entity").required(),
            Key::new("values", Shape::Map(&Shape::Value), "its fields, each with a value").default("the input fields"),
            Key::new("as", Shape::Name, "binds the row: `$name`").default("the entity's name, for the action's own"),
        ],
    ),
    Table::new(
        "a step `update`",
        &[
            Key::new(
                "update",
                Shape::Clause("Entity SET field = value, … WHERE condition"),
                "updates rows of that entity",
            )
            .required(),
            Key::new("set", Shape::Map(&Shape::Value), "fields and values, instead of `SET`"),
            Key::new("where", Shape::Expression, "which rows, instead of `WHERE`").default("the current row"),
        ],
    ),
    Table::new(
        "a step `if`",
        &[
            Key::new("if", Shape::Expression, "takes one of two ways; NULL is not true").required(),
            Key::new("then", Shape::Steps, "what is done when it is true").required(),
            Key::new("else", Shape::Steps, "what is done when it is not").default("nothing"),
        ],
    ),
    Table::new(
        "a step `reject`",
        &[Key::new("reject", Shape::Name, "ends the action with `failed:` and this code").required()],
    ),
    Table::new(
        "a step `call_service`",
        &[Key::new("call_service", Shape::Table(&call_service::CALL), "queues a call of a service").required()],
    ),
    Table::new(
        "a step `delete`",
        &[
            Key::new("delete", Shape::Clause("Entity WHERE condition"), "deletes rows of that entity").required(),
            Key::new("where", Shape::Expression, "which rows, instead of `WHERE`").default("the current row"),
            Key::new("hard", Shape::Boolean, "removes them, instead of setting `deleted_at`").default("`false`"),
        ],
    ),
    Table::new(
        "a step `find`",
        &[
            Key::new("find", Shape::Clause("Entity WHERE condition"), "reads the row of that entity").required(),
            Key::new("where", Shape::Expression, "which row, instead of `WHERE`").default("any row"),
            Key::new(
                "order_by",
                Shape::Clause("field [DESC], …"),
                "which row, if there are several: the first in this order; a row without a value comes last",
            )
            .default("the order in which rows were inserted"),
            Key::new("as", Shape::Name, "binds the row: `$name`").default("the entity's name"),
            Key::new("optional", Shape::Boolean, "without such a row goes on, and `$name IS NULL`")
                .default("`false`: ends the action with `not_found`"),
            Key::new("lock", Shape::Boolean, "locks the row until the end of the transaction")
                .default("`false`; the current row is always locked"),
        ],
    ),
    Table::new(
        "a step `foreach`",
        &[
            Key::new(
                "foreach",
                Shape::Clause("name in list, or name in find Entity WHERE condition"),
                "goes through a list, or through rows",
            )
            .required(),
            Key::new(
                "order_by",
                Shape::Clause("field [DESC], …"),
                "in which order it goes through rows; a row without a value comes last",
            )
            .default("the order in which rows were inserted"),
            Key::new("limit", Shape::Expression, "through how many rows at most: the first ones in this order")
                .default("all of them"),
            Key::new(
                "in_batches_of",
                Shape::Integer(1, MAX_BATCH),
                "so many rows at most in one call of a schedule, which goes on behind them",
            )
            .default("all in one call"),
            Key::new("do", Shape::Steps, "what is done with each").required(),
        ],
    ),
    Table::new(
        "a step `call`",
        &[
            Key::new(
                "call",
                Shape::Clause("action(input = value, …)"),
                "runs another action, or a function of `functions:`",
            )
            .required(),
            Key::new("as", Shape::Name, "binds the row that it reports, or the value: `$name`"),
            Key::new("store", Shape::Name, "the same as `as`"),
        ],
    ),
    Table::new(
        "a step `notify`",
        &[Key::new(
            "notify",
            Shape::Clause("recipient(channel, \"message\")"),
            "keeps a notification, and tells its id to those who listen to the channel",
        )
        .required()],
    ),
    Table::new(
        "a step `return`",
        &[Key::new("return", Shape::Value, "ends the action with success: a row, a message or another value")
            .required()],
    ),
];

/// The key that names a step.
fn name(step: &Table) -> &'static str {
    step.keys.first().map_or("", |key| key.name)
}

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
        .filter_map(|entry| STEPS.iter().find(|step| name(step) == entry.key).map(|step| (step, entry)))
        .collect();
    let Some((step, entry)) = named.first() else {
        let names: Vec<_> = STEPS.iter().map(name).collect();
        diagnostics.push(unknown_step::error(node, entries.first(), &names));
        return None;
    };
    if let Some((second, entry)) = named.get(1) {
        diagnostics.push(unknown_step::two_in_one(entry, name(step), name(second)));
        return None;
    }
    let keys = Keys::read(node, step, diagnostics)?;
    let subject = &entry.value;
    let kind = match name(step) {
        "validate" => validate(&keys, subject, diagnostics)?,
        "insert" => insert(&keys, subject, diagnostics)?,
        "update" => update(&keys, subject, diagnostics)?,
        "if" => branch(&keys, subject, complete, diagnostics)?,
        "delete" => rows::delete(&keys, subject, diagnostics)?,
        "find" => rows::find(&keys, subject, diagnostics)?,
        "foreach" => foreach::read(&keys, subject, complete, diagnostics)?,
        "call" => effect::call(&keys, subject, diagnostics)?,
        "notify" => effect::notify(subject, diagnostics)?,
        "return" => effect::finish(subject, diagnostics)?,
        "reject" => StepKindSyntax::Reject { code: keys::text(subject, "reject", diagnostics)? },
        _ => StepKindSyntax::CallService(Box::new(call_service::read(subject, entry.key_span, complete, diagnostics)?)),
    };
    Some(StepSyntax { kind, span: node.span })
}

fn validate(keys: &Keys<'_>, subject: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<StepKindSyntax> {
    let error = keys.text("error", diagnostics);
    let message = keys.get("message").and_then(|node| value::prose(node, "message", diagnostics));
    Some(StepKindSyntax::Validate { condition: value::clause(subject, diagnostics)?, error, message })
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
    let condition = rows::condition(keys, parsed.condition, diagnostics)?;
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
    Some(StepKindSyntax::If { condition: value::clause(subject, diagnostics)?, then, otherwise })
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
