//! Lists and objects in YAML's own brackets that hold expressions.

use specql_registry::{Basic, Schema, ValueType};

use super::{Place, Want, operators::id_for_ref};
use crate::{
    check::action::ActionChecker,
    diagnostics::rules::sq0308_object_shape as object_shape,
    model::{Expr, ExprKind, expr::ExprType},
    source::{Span, Spanned},
    syntax::expr::{Ast, AstKind, EachSyntax},
};

impl ActionChecker<'_> {
    /// `[$order.sku, 'b']`: a list of the type that is wanted, else JSON.
    pub(super) fn list(&mut self, elements: &[Ast], wanted: Option<&Want>) -> Option<Expr> {
        let (ty, element) = list_wanted(wanted);
        let checked: Vec<_> = elements.iter().map(|value| self.part(value, element.as_ref())).collect();
        let elements = checked.into_iter().collect::<Option<_>>()?;
        Some(Expr { kind: ExprKind::List(elements), ty, nullable: false })
    }

    /// `{$for: line in $order.lines, $each: {sku: $line.sku}}`: a list of the type that is wanted, else JSON.
    pub(super) fn each(&mut self, each: &EachSyntax, wanted: Option<&Want>) -> Option<Expr> {
        let (ty, element) = list_wanted(wanted);
        let list = self.list_of_each(each, |checker| checker.part(&each.value, element.as_ref()))?;
        Some(Expr { kind: ExprKind::Each(Box::new(list)), ty, nullable: false })
    }

    /// `{sku: $order.sku, quantity: 1}`: an object of the shape that is wanted, else JSON.
    pub(super) fn object_of(
        &mut self,
        entries: &[(Spanned<String>, Ast)],
        span: Span,
        wanted: Option<&Want>,
    ) -> Option<Expr> {
        let shape = match wanted.map(|want| (&want.ty, want)) {
            Some((ExprType::Value(ValueType::Object(schema)), want)) => Some((schema, want)),
            Some((ExprType::Value(ValueType::Composite(composite)), want)) => Some((composite.schema(), want)),
            _ => None,
        };
        let ty = shape.map_or_else(|| ExprType::basic(Basic::Json), |(_, want)| want.ty.clone());
        // An input that may be left out is left out where it lacks what it must have.
        let may_lack = shape.is_some_and(|(_, want)| !want.required && matches!(want.place, Place::CallInput(..)));
        let mut needed = Vec::new();
        let mut checked = Vec::new();
        for (name, value) in entries {
            let want = match shape {
                None => None,
                Some((schema, want)) => match schema.fields.get(&name.value) {
                    Some(field) => {
                        let required = field.required && field.default.is_none();
                        needed.extend(required.then_some(&name.value));
                        // What never has a value would mean that there is never an object.
                        let lacks = may_lack && value.kind != AstKind::Null;
                        Some(want.member(&name.value, ExprType::Value(field.ty.clone()), required && !lacks))
                    }
                    None => {
                        let known = schema.fields.keys().map(String::as_str);
                        self.diagnostics.push(object_shape::unknown(name.span, &name.value, known));
                        continue;
                    }
                },
            };
            checked.push(self.part(value, want.as_ref()).map(|value| (name.value.clone(), value)));
        }
        if let Some((schema, _)) = shape {
            self.complete_object(schema, entries, span)?;
        }
        let all = checked.len() == entries.len();
        let fields: Vec<(String, Expr)> = checked.into_iter().collect::<Option<_>>()?;
        let is_vital = |(name, value): &&(String, Expr)| value.nullable && needed.contains(&name);
        let vital: Vec<String> = fields.iter().filter(is_vital).map(|(name, _)| name.clone()).collect();
        let nullable = !vital.is_empty();
        all.then_some(Expr { kind: ExprKind::Object { fields, vital }, ty, nullable })
    }

    /// Reports the fields of the shape that must be there and are not.
    fn complete_object(&mut self, schema: &Schema, entries: &[(Spanned<String>, Ast)], span: Span) -> Option<()> {
        let missing: Vec<&str> = schema
            .fields
            .iter()
            .filter(|(name, field)| {
                field.required && field.default.is_none() && !entries.iter().any(|(given, _)| given.value == **name)
            })
            .map(|(name, _)| name.as_str())
            .collect();
        if missing.is_empty() { Some(()) } else { self.report(object_shape::missing(span, &missing)) }
    }

    /// A value in a list or an object; without a type of its own it is JSON, and a reference the id it stands for.
    fn part(&mut self, value: &Ast, want: Option<&Want>) -> Option<Expr> {
        match want {
            Some(want) if want.ty != ExprType::basic(Basic::Json) => self.value(value, want),
            _ => {
                let any = Want { ty: ExprType::basic(Basic::Json), required: false, place: Place::Operand };
                self.expression(value, Some(&any)).map(id_for_ref)
            }
        }
    }
}

/// The type of a list, and what is wanted of its elements.
fn list_wanted(wanted: Option<&Want>) -> (ExprType, Option<Want>) {
    match wanted.map(|want| (&want.ty, want)) {
        Some((ExprType::Value(ValueType::List(element)), want)) => {
            let ty = ExprType::Value((**element).clone());
            (want.ty.clone(), Some(Want { ty, required: true, place: want.place.clone() }))
        }
        _ => (ExprType::basic(Basic::Json), None),
    }
}
