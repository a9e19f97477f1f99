//! `sequence(invoice_no)`: the next number of a sequence.

use specql_registry::Basic;

use crate::{
    check::{action::ActionChecker, names},
    diagnostics::{
        Diagnostic,
        rules::{
            sq0303_type_mismatch as type_mismatch, sq0313_misplaced_sequence as misplaced_sequence,
            sq0314_similar_sequences as similar_sequences,
        },
    },
    model::{Expr, ExprKind, expr::ExprType},
    source::{Span, Spanned},
    syntax::expr::{Ast, AstKind},
};

impl ActionChecker<'_> {
    /// The number is a bigint, and never NULL. The name is a word without quotes, and stands for nothing else.
    pub(super) fn sequence(&mut self, name: &Ast, span: Span) -> Option<Expr> {
        let AstKind::Name(word) = &name.kind else {
            return self.report(
                type_mismatch::error(name.span, "the name of a sequence", "an expression")
                    .help("name it by one word without quotes: `sequence(invoice_no)`"),
            );
        };
        let word = Spanned { value: word.clone(), span: name.span };
        if !names::check_identifier(&word, "a sequence", &mut self.diagnostics) {
            return None;
        }
        if self.row_alone {
            return self.report(misplaced_sequence::without_action(span));
        }
        let entity = self.project.entity(self.entity);
        let name = format!("{}.{}", entity.schema, word.value);
        let of_tenant = entity.multi_tenant;
        self.sequences.push((name.clone(), word.span));
        Some(Expr { kind: ExprKind::Sequence { name, of_tenant }, ty: ExprType::basic(Basic::Bigint), nullable: false })
    }
}

/// Whether evaluating the expression takes a number.
pub(in crate::check) fn takes_number(expr: &Expr) -> bool {
    let mut found = matches!(expr.kind, ExprKind::Sequence { .. });
    expr.children(&mut |child| found = found || takes_number(child));
    found
}

/// Warns of names that differ by one letter: each would count by itself.
pub(in crate::check) fn warn_of_slips(sequences: &[(String, Span)], diagnostics: &mut Vec<Diagnostic>) {
    for (place, (name, span)) in sequences.iter().enumerate() {
        let before = &sequences[..place];
        if before.iter().any(|(known, _)| known == name) {
            continue;
        }
        let letters = |name: &str| name.chars().filter(|letter| !letter.is_ascii_digit()).collect::<String>();
        let slip = |known: &str| strsim::osa_distance(known, name) == 1 && letters(known) != letters(name);
        if let Some((known, first)) = before.iter().find(|(known, _)| slip(known)) {
            diagnostics.push(similar_sequences::warning(*span, name, known, *first));
        }
    }
}
