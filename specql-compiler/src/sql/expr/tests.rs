//! Expressions mean in SQL what the tree says, whatever binds how tightly.

use super::*;
use crate::{
    model::{
        FieldId,
        expr::{ColumnRef, SystemColumn},
    },
    sql::fixture::{column, expr, integer, order_model, row, scalar, text},
};

fn print(value: &Expr) -> String {
    let model = order_model();
    Printer { model: &model, vars: &[row(1, "order")], tenant: TENANT, row: None, own: STATEMENT }.print(value)
}

fn boolean(kind: ExprKind) -> Expr {
    expr(kind, ValueType::Basic(Basic::Boolean))
}

fn op(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    let ty = left.ty.clone();
    Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), ty, nullable: false }
}

fn total() -> Expr {
    column(&order_model().entities[1], 0, 1)
}

#[test]
fn parentheses_stand_where_the_tree_differs_from_the_binding() {
    use BinaryOp::{Add, And, Concat, Equal, Multiply, Or, Subtract};
    let (a, b, c) = (|| integer(1), || integer(2), || integer(3));
    for (tree, sql) in [
        (op(Multiply, op(Add, a(), b()), c()), "(1 + 2) * 3"),
        (op(Add, a(), op(Multiply, b(), c())), "1 + 2 * 3"),
        (op(Subtract, op(Subtract, a(), b()), c()), "1 - 2 - 3"),
        (op(Subtract, a(), op(Subtract, b(), c())), "1 - (2 - 3)"),
        (op(Subtract, a(), integer(-2)), "1 - (-2)"),
        (op(And, op(Or, a(), b()), c()), "(1 OR 2) AND 3"),
        (op(Or, op(And, a(), b()), c()), "1 AND 2 OR 3"),
        (op(Equal, op(Equal, a(), b()), c()), "(1 = 2) = 3"),
        (op(Equal, op(Concat, text("x"), text("y")), text("xy")), "'x' || 'y' = 'xy'"),
    ] {
        assert_eq!(print(&tree), sql);
    }
}

#[test]
fn prefix_operators_and_tests_keep_their_operands_together() {
    let boxed = |value: Expr| Box::new(value);
    let sum = || op(BinaryOp::Add, integer(1), integer(2));
    let both = || op(BinaryOp::And, boolean(ExprKind::Literal(Literal::Boolean(true))), total());
    for (tree, sql) in [
        (boolean(ExprKind::Unary(UnaryOp::Not, boxed(both()))), "NOT (TRUE AND v_order.total)"),
        (boolean(ExprKind::Unary(UnaryOp::Negate, boxed(integer(-1)))), "- (-1)"),
        (boolean(ExprKind::Unary(UnaryOp::Negate, boxed(sum()))), "- (1 + 2)"),
        (boolean(ExprKind::IsNull { value: boxed(both()), negated: true }), "(TRUE AND v_order.total) IS NOT NULL"),
        (boolean(ExprKind::In { value: boxed(sum()), list: vec![integer(3)], negated: true }), "1 + 2 NOT IN (3)"),
        (
            boolean(ExprKind::Between {
                value: boxed(total()),
                low: boxed(both()),
                high: boxed(integer(9)),
                negated: false,
            }),
            "v_order.total BETWEEN (TRUE AND v_order.total) AND 9",
        ),
        (
            boolean(ExprKind::Like {
                value: boxed(text("a")),
                pattern: boxed(text("50%\\_'")),
                any_case: false,
                negated: false,
            }),
            "'a' LIKE E'50%\\\\_'''",
        ),
    ] {
        assert_eq!(print(&tree), sql);
    }
}

#[test]
fn a_row_is_its_key_inside_the_database_and_its_id_outside() {
    let model = order_model();
    let printer = Printer { model: &model, vars: &[row(1, "order")], tenant: TENANT, row: None, own: STATEMENT };
    let order = Expr { kind: ExprKind::Row(VarId(0)), ty: ExprType::Ref(EntityId(1)), nullable: false };
    assert_eq!(printer.print(&order), "v_order.pk_order");
    assert_eq!(printer.public(&order), "v_order.id");
    assert_eq!(printer.text(&order), "v_order.id::text");

    let customer = Expr {
        kind: ExprKind::VarColumn { var: VarId(0), column: ColumnRef::Field(FieldId(5)) },
        ty: ExprType::Ref(EntityId(0)),
        nullable: true,
    };
    assert_eq!(printer.print(&customer), "v_order.fk_customer");
    assert_eq!(
        printer.public(&customer),
        "(SELECT f.id FROM crm.tb_customer AS f WHERE f.pk_customer = v_order.fk_customer)"
    );
    let followed = expr(
        ExprKind::Follow {
            base: Box::new(customer),
            entity: EntityId(0),
            column: ColumnRef::System(SystemColumn::CreatedAt),
        },
        ValueType::Basic(Basic::Timestamp),
    );
    assert_eq!(
        printer.print(&followed),
        "(SELECT f.created_at FROM crm.tb_customer AS f WHERE f.pk_customer = v_order.fk_customer)"
    );
}

#[test]
fn outputs_are_read_as_their_types() {
    let path = |steps: &[&str]| ExprKind::Output(steps.iter().map(|step| (*step).to_owned()).collect());
    let basic = ValueType::Basic;
    assert_eq!(print(&expr(path(&["id"]), basic(Basic::Text))), "_output_data ->> 'id'");
    assert_eq!(print(&expr(path(&["card", "last'4"]), basic(Basic::Text))), "_output_data -> 'card' ->> 'last''4'");
    assert_eq!(
        print(&expr(path(&["fee"]), basic(Basic::Integer))),
        "app.to_integer(_output_data -> 'fee', 'output_fee')"
    );
    assert_eq!(
        print(&expr(path(&["price"]), scalar("money"))),
        "app.to_decimal(_output_data -> 'price', 'output_price', 19, 4)"
    );
}

#[test]
fn money_becomes_minor_units_of_the_type_that_is_asked_for() {
    let call =
        |ty| expr(ExprKind::Call { function: "minor_units", args: vec![total(), text("EUR")] }, ValueType::Basic(ty));
    assert_eq!(print(&call(Basic::Integer)), "app.minor_units(v_order.total, 'EUR')::integer");
    assert_eq!(print(&call(Basic::Bigint)), "app.minor_units(v_order.total, 'EUR')");
}

#[test]
fn defaults_of_lists_are_arrays() {
    let list = ValueType::List(Box::new(ValueType::Basic(Basic::Text)));
    let value = expr(ExprKind::Literal(Literal::Json(serde_json::json!(["it's", "b"]))), list);
    assert_eq!(print(&value), "ARRAY['it''s', 'b']::TEXT[]");
    let value = expr(ExprKind::Literal(Literal::Json(serde_json::json!({"a": "it's"}))), ValueType::Basic(Basic::Json));
    assert_eq!(print(&value), r#"'{"a":"it''s"}'::jsonb"#);
}

#[test]
fn case_prints_its_branches_in_order() {
    let case = ExprKind::Case {
        branches: vec![(op(BinaryOp::Greater, total(), integer(0)), text("some"))],
        otherwise: Some(Box::new(text("none"))),
    };
    assert_eq!(
        print(&expr(case, ValueType::Basic(Basic::Text))),
        "CASE WHEN v_order.total > 0 THEN 'some' ELSE 'none' END"
    );
}

#[test]
fn a_text_that_is_a_time_says_so() {
    let time = || expr(ExprKind::Literal(Literal::Text("2026-01-31".to_owned())), ValueType::Basic(Basic::Timestamp));
    let case = ExprKind::Case {
        branches: vec![(boolean(ExprKind::Literal(Literal::Boolean(true))), time())],
        otherwise: None,
    };
    let case = expr(case, ValueType::Basic(Basic::Timestamp));
    assert_eq!(print(&case), "CASE WHEN TRUE THEN '2026-01-31'::timestamptz END");
    assert_eq!(print(&text("2026-01-31")), "'2026-01-31'");
}
