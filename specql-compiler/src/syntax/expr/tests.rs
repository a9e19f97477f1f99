//! How expressions are read: what binds stronger, what is refused, and where.

use super::{Ast, AstKind, parse, parse_update};
use crate::source::{
    FileId, Span,
    yaml::{Node, Value},
};

/// A scalar whose text begins at the tenth byte of its file.
fn node(text: &str) -> Node {
    Node {
        value: Value::String(text.to_owned()),
        span: Span { file: FileId(0), start: 10, end: 10 },
        content_start: Some(10),
        quoted: false,
    }
}

/// The tree with a bracket around every operator.
fn shape(ast: &Ast) -> String {
    match &ast.kind {
        AstKind::Null => "NULL".to_owned(),
        AstKind::Boolean(value) => value.to_string(),
        AstKind::Number(text) | AstKind::Name(text) => text.clone(),
        AstKind::Text(text) | AstKind::Interval(text) => format!("'{text}'"),
        AstKind::Json(json) => json.to_string(),
        AstKind::List(_) | AstKind::Object(_) | AstKind::Each(_) | AstKind::Template(_) => "structure".to_owned(),
        AstKind::Path { root, members } => {
            members.iter().fold(format!("${}", root.value), |path, member| format!("{path}.{}", member.value))
        }
        AstKind::Unary(operator, operand) => format!("({operator:?} {})", shape(operand)),
        AstKind::Binary(operator, left, right) => format!("({} {} {})", shape(left), operator.symbol(), shape(right)),
        AstKind::In { value, list, negated } => {
            let list: Vec<_> = list.iter().map(shape).collect();
            format!("({} in({negated}) {})", shape(value), list.join(" "))
        }
        AstKind::Like { value, pattern, any_case, negated } => {
            let like = if *any_case { "ilike" } else { "like" };
            format!("({} {like}({negated}) {})", shape(value), shape(pattern))
        }
        AstKind::Between { value, low, high, negated } => {
            format!("({} between({negated}) {} {})", shape(value), shape(low), shape(high))
        }
        AstKind::IsNull { value, negated } => format!("({} null({negated}))", shape(value)),
        AstKind::Case { branches, .. } => format!("(case {})", branches.len()),
        AstKind::Call { function, args } => {
            format!("{}({})", function.value, args.iter().map(shape).collect::<String>())
        }
        AstKind::OfRows(rows) => {
            let field = rows.field.iter().map(|field| format!(" {}", field.value)).collect::<String>();
            let condition = rows.condition.iter().map(|it| format!(" where {}", shape(it))).collect::<String>();
            format!("{}({}{field}{condition})", rows.function.name(), rows.entity.value)
        }
    }
}

fn read(text: &str) -> String {
    shape(&parse(&node(text), text).unwrap())
}

#[test]
fn operators_bind_as_in_sql() {
    assert_eq!(read("a + b * c - d"), "((a + (b * c)) - d)");
    assert_eq!(read("NOT a = b AND c OR d"), "(((Not (a = b)) AND c) OR d)");
    assert_eq!(read("a || b + 1 = c"), "((a || (b + 1)) = c)");
    assert_eq!(read("-a * b"), "((Negate a) * b)");
    assert_eq!(read("a BETWEEN 1 AND 2 AND b"), "((a between(false) 1 2) AND b)");
    assert_eq!(read("a NOT IN (1, 2) or b is not null"), "((a in(true) 1 2) OR (b null(true)))");
    assert_eq!(read("a NOT LIKE 'x%' || 'y'"), "(a like(true) ('x%' || 'y'))");
    assert_eq!(read("a not ilike 'x%' AND b"), "((a ilike(true) 'x%') AND b)");
    // As PostgreSQL has it: like `||`, and stronger than `LIKE` and `=`.
    assert_eq!(read("a || b ~ c = d"), "(((a || b) ~ c) = d)");
    assert_eq!(read("a !~* b LIKE c"), "((a !~* b) like(false) c)");
    assert_eq!(read("NOT a !~ b AND c ~* d"), "((Not (a !~ b)) AND (c ~* d))");
}

#[test]
fn rows_of_an_entity_are_named_in_brackets() {
    assert_eq!(read("count(Order) + 1"), "(count(Order) + 1)");
    assert_eq!(read("NOT EXISTS(sales.Order where a = 1 and b)"), "(Not exists(sales.Order where ((a = 1) AND b)))");
    assert_eq!(read("sum(sales.Order.total WHERE a) > 2"), "(sum(sales.Order total where a) > 2)");
    assert_eq!(read("max(Order.total)"), "max(Order total)");
    assert_eq!(
        read("count(Order WHERE total > (1 + max(Line.price WHERE a)))"),
        "count(Order where (total > (1 + max(Line price where a))))"
    );
    for (text, at) in [
        ("sum(total)", 4),
        ("count(a.b.c)", 6),
        ("count(Order.total)", 0),
        ("sum(a.b.c.d)", 4),
        ("count($order)", 6),
        ("count(*)", 6),
        ("exists(SELECT 1)", 0),
        ("count(Order WHERE)", 17),
        ("count(Order, Line)", 11),
        ("count()", 6),
    ] {
        match parse(&node(text), text) {
            Ok(_) => {
                assert_eq!(text, "count(Order.total)", "an entity `total` of the schema `Order`, which there is not")
            }
            Err(error) => assert_eq!(error.span.start, 10 + at, "{text}: {}", error.message),
        }
    }
}

#[test]
fn texts_paths_and_keywords_in_any_case_are_read() {
    assert_eq!(read("'it''s'"), "'it's'");
    assert_eq!(read("$order.customer.end"), "$order.customer.end");
    assert_eq!(read("case when a then 1 when b then 2 end"), "(case 2)");
    assert_eq!(read("now() + INTERVAL '10 minutes'"), "(now() + '10 minutes')");
}

#[test]
fn an_update_has_assignments_and_perhaps_a_condition() {
    let text = "Order SET a = 1, b = c || 'x' WHERE d = 2";
    let update = parse_update(&node(text), text).unwrap();
    assert_eq!(update.entity.value, "Order");
    assert_eq!(update.set.iter().map(|(field, _)| field.value.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(update.condition.as_ref().map(shape).as_deref(), Some("(d = 2)"));
    assert_eq!(update.set[1].1.span.start, 10 + 21);
}

#[test]
fn an_error_stands_where_the_expression_stops_making_sense() {
    for (text, at) in
        [("a +", 3), ("a b", 2), ("a = = b", 4), ("f(a", 3), ("1x", 0), ("$", 0), ("a ? b", 2), ("order.total", 0)]
    {
        let error = parse(&node(text), text).unwrap_err();
        assert_eq!(error.span.start, 10 + at, "{text}: {}", error.message);
    }
}
