//! What an expression is made of.

use super::{Ast, AstKind, TextPart};

impl Ast {
    /// Visits this expression and all of which it is made.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        let mut parts: Vec<&Self> = Vec::new();
        match &self.kind {
            AstKind::Null
            | AstKind::Boolean(_)
            | AstKind::Number(_)
            | AstKind::Text(_)
            | AstKind::Interval(_)
            | AstKind::Json(_)
            | AstKind::Name(_)
            | AstKind::Path { .. } => {}
            AstKind::Template(written) => parts.extend(written.iter().filter_map(|part| match part {
                TextPart::Value { path, .. } => Some(path),
                TextPart::Words(_) => None,
            })),
            AstKind::List(elements) => parts.extend(elements),
            AstKind::Object(entries) => parts.extend(entries.iter().map(|(_, value)| value)),
            AstKind::Each(each) => parts.extend(each.parts()),
            AstKind::Unary(_, inner) => parts.push(inner),
            AstKind::Binary(_, left, right) => parts.extend([&**left, right]),
            AstKind::In { value, list, .. } => {
                parts.push(value);
                parts.extend(list);
            }
            AstKind::Like { value, pattern, .. } => parts.extend([&**value, pattern]),
            AstKind::Between { value, low, high, .. } => parts.extend([&**value, low, high]),
            AstKind::IsNull { value, .. } => parts.push(value),
            AstKind::Case { operand, branches, otherwise } => {
                parts.extend(operand.as_deref());
                parts.extend(branches.iter().flat_map(|(when, then)| [when, then]));
                parts.extend(otherwise.as_deref());
            }
            AstKind::Call { args, .. } => parts.extend(args),
            AstKind::OfRows(rows) => parts.extend(&rows.condition),
        }
        parts.into_iter().for_each(|part| part.walk(visit));
    }
}
