//! `notify` and `return`.

use specql_registry::Basic;

use super::super::ActionChecker;
use crate::{
    check::{
        expr::{Want, is_text},
        names,
    },
    diagnostics::{
        rules::{
            sq0137_reserved_name as reserved_name, sq0212_return_in_callback as return_in_callback,
            sq0302_unknown_name as unknown_name,
        },
        suggest,
    },
    model::{
        Expr, ExprKind, Return, StepKind,
        expr::{ExprType, Literal},
    },
    syntax::{
        expr::{Ast, AstKind, NotifySyntax},
        step::ReturnSyntax,
    },
};

/// The queue's own channels begin so.
const QUEUE_CHANNELS: &str = "jobs_";

impl ActionChecker<'_> {
    pub(super) fn notify(&mut self, syntax: &NotifySyntax) -> Option<StepKind> {
        let recipient = match &syntax.recipient.kind {
            AstKind::Name(word) => Some(text(word)),
            _ => self.value(&syntax.recipient, &Want::text("recipient")),
        };
        let want = Want { required: true, ..Want::optional(ExprType::basic(Basic::Text)) };
        let message = self.value(&syntax.message, &want);
        if !names::check_identifier(&syntax.channel, "a channel", &mut self.diagnostics) {
            return None;
        }
        let channel = &syntax.channel.value;
        if channel.starts_with(QUEUE_CHANNELS) {
            let reason = format!("the queue's own channels begin with `{QUEUE_CHANNELS}`");
            return self.report(reserved_name::error(syntax.channel.span, "a channel", channel, &reason));
        }
        Some(StepKind::Notify { recipient: recipient?, channel: channel.clone(), message: message? })
    }

    pub(super) fn finish(&mut self, syntax: &ReturnSyntax) -> Option<StepKind> {
        let value = match syntax {
            ReturnSyntax::Nothing => Return::Nothing,
            ReturnSyntax::Words(words) => Return::Message(self.expression(words, None)?),
            ReturnSyntax::Value(ast) => self.returned(ast)?,
        };
        Some(StepKind::Return(value))
    }

    /// What a `return` with an expression reports. A single word that is no field is a message.
    fn returned(&mut self, ast: &Ast) -> Option<Return> {
        if self.frames.len() > 1 {
            return self.report(return_in_callback::error(ast.span));
        }
        if let AstKind::Name(word) = &ast.kind
            && self.project.column(self.entity, word).is_none()
            && !self.project.is_broken_field(self.entity, word)
        {
            let known: Vec<&str> = self.project.columns(self.entity).collect();
            if suggest(word, known.iter().copied()).is_some() {
                let entity = &self.project.entity(self.entity).name;
                return self.report(unknown_name::bare(ast.span, word, entity, known));
            }
            return Some(Return::Message(text(word)));
        }
        let expr = self.expression(ast, None)?;
        Some(match &expr.kind {
            ExprKind::Row(row) => Return::Row(*row),
            ExprKind::Literal(Literal::Null) => Return::Nothing,
            _ if is_text(&expr.ty) => Return::Message(expr),
            _ => Return::Value(expr),
        })
    }
}

/// A text as a constant.
fn text(text: &str) -> Expr {
    let kind = ExprKind::Literal(Literal::Text(text.to_owned()));
    Expr { kind, ty: ExprType::basic(Basic::Text), nullable: false }
}
