//! Types, their positions and their defaults.

use serde_json::json;
use specql_registry::{Basic, ValueType};

use super::*;
use crate::{
    diagnostics::{self, Diagnostic},
    source::{FileId, SourceFile, SourceKind, Sources, yaml},
};

/// Reads `text` as the value of a key, so that positions are those of a real file.
fn parsed(text: &str) -> Result<(TypeSyntax, String), String> {
    let file = format!("f: {text}\n");
    let node = yaml::read(FileId(0), &file).0.remove(0);
    match parse(node.get("f").unwrap()) {
        Ok(ty) => Ok((ty, file)),
        Err(diagnostic) => Err(shown(&diagnostic, &file)),
    }
}

fn shown(diagnostic: &Diagnostic, text: &str) -> String {
    let file = SourceFile { path: "a.yaml".into(), text: text.into(), kind: SourceKind::Entities };
    diagnostics::render(diagnostic, &Sources::new(vec![file]), false)
}

/// The default as JSON, or the message and help of what is wrong with it.
fn default_of(text: &str) -> Result<serde_json::Value, String> {
    let (ty, _) = parsed(text)?;
    let message =
        |diagnostic: Box<Diagnostic>| format!("{} | {}", diagnostic.message, diagnostic.help.unwrap_or_default());
    let value_type = resolve_value(&ty.ty).map_err(message)?;
    check_default(&value_type, &ty.default.unwrap()).map_err(message)
}

#[test]
fn required_stands_behind_the_type_or_at_the_end() {
    for (text, required, default) in [
        ("email", false, None),
        ("email!", true, None),
        ("currencyCode = EUR", false, Some("EUR")),
        ("currencyCode! = EUR", true, Some("EUR")),
        ("currencyCode = EUR!", true, Some("EUR")),
        ("text = two words", false, Some("two words")),
    ] {
        let (ty, _) = parsed(text).unwrap();
        let written = ty.default.map(|default| match default.value {
            DefaultValue::Word(word) => word,
            other => panic!("{other:?}"),
        });
        assert_eq!((ty.required, written.as_deref()), (required, default), "{text}");
    }
    let (ty, _) = parsed("text = 'Hello!'").unwrap();
    assert_eq!((ty.required, ty.default.unwrap().value), (false, DefaultValue::Quoted("Hello!".into())));
}

#[test]
fn arguments_keep_their_positions() {
    let (ty, file) = parsed("ref(crm.Customer)!").unwrap();
    let TypeKind::Ref { schema: Some(schema), entity } = ty.ty.kind else { panic!() };
    let at = |span: Span| &file[span.start as usize..span.end as usize];
    assert_eq!((at(schema.span), at(entity.span), at(ty.ty.span)), ("crm", "Customer", "ref(crm.Customer)"));
    let (ty, _) = parsed("list(decimal(10, 2))").unwrap();
    let expected = ValueType::List(Box::new(ValueType::Decimal(Some((10, 2)))));
    assert_eq!(resolve_value(&ty.ty).unwrap(), expected);
}

#[test]
fn a_misspelt_type_is_shown_where_it_stands_with_the_nearest_one() {
    let text = "f: list(intger)\n";
    let node = yaml::read(FileId(0), text).0.remove(0);
    let ty = parse(node.get("f").unwrap()).unwrap();
    pretty_assertions::assert_eq!(
        shown(&resolve_value(&ty.ty).unwrap_err(), text),
        "\
error[SQ0110]: unknown type `intger`
 --> a.yaml:1:9
  |
1 | f: list(intger)
  |         ^^^^^^
  |
  = help: did you mean `integer`?"
    );
    let (ty, _) = parsed("varchar").unwrap();
    assert_eq!(resolve_value(&ty.ty).unwrap_err().help.as_deref(), Some("did you mean `text`?"));
}

#[test]
fn what_is_no_type_says_so_at_its_place() {
    for (text, message) in [
        ("enum()", "expected a value here"),
        ("enum", "`enum` needs to say of what"),
        ("enum(a b)", "expected `,` or `)` here"),
        ("enum(a, a)", "the value `a` stands twice"),
        ("list(text", "expected `)` here"),
        ("decimal(40, 2)", "a decimal has 1 to 28 digits"),
        ("decimal(2, 3)", "a decimal has 1 to 28 digits"),
        ("text!!", "`!` does not belong to a type"),
        ("text =", "a default is missing"),
        ("text = 'open", "this text has no closing '"),
        ("map(text)", "unknown type `map`"),
        ("12", "expected a type, got a number"),
        ("[a]", "expected a type, got a list"),
    ] {
        let error = parsed(text).map(|_| ()).unwrap_err();
        assert!(error.contains(message), "{text}: {error}");
    }
    let deep = format!("{}text{}", "list(".repeat(50_000), ")".repeat(50_000));
    assert!(parsed(&deep).unwrap_err().contains("types nest at most 8 deep"));
}

#[test]
fn a_default_is_checked_against_its_type() {
    assert_eq!(default_of("integer = 10"), Ok(json!(10)));
    assert_eq!(default_of("bigint = 9007199254740993"), Ok(json!(9_007_199_254_740_993_i64)));
    assert_eq!(default_of("money = 0"), Ok(json!("0")));
    assert_eq!(default_of("boolean = true"), Ok(json!(true)));
    assert_eq!(default_of("text = 10"), Ok(json!("10")));
    assert_eq!(default_of("enum(a, b) = b"), Ok(json!("b")));
    assert_eq!(default_of("list(text) = [a, b]"), Ok(json!(["a", "b"])));
    assert_eq!(default_of("json = {}"), Ok(json!({})));
    assert_eq!(default_of("timestamp = 2026-01-31T12:00:00Z"), Ok(json!("2026-01-31T12:00:00Z")));
    for (text, message) in [
        ("integer = ten", "expected integer, got \"ten\" | "),
        ("integer = 2147483648", "expected integer, got 2147483648 | "),
        ("integer = '10'", "expected integer, got the text `10` | write 10 without quotes"),
        ("integer = 1.5", "expected integer, got 1.5 | "),
        ("boolean = yes", "expected boolean, got \"yes\" | "),
        ("boolean = 'true'", "| write true without quotes"),
        ("money = -1", "0"),
        ("currencyCode = euro", "expected currencyCode, got \"euro\""),
        ("enum(open, closed) = opne", "| did you mean `open`?"),
        ("list(integer) = [1, a]", "integer"),
        ("integer = null", "`null`"),
        ("text = null", "leave the default out"),
    ] {
        let error = default_of(text).unwrap_err();
        assert!(error.contains(message), "{text}: {error}");
    }
}

#[test]
fn one_rule_for_quotes_in_yaml_values_too() {
    let file = "{n: 10, q: '10', t: text}";
    let node = yaml::read(FileId(0), file).0.remove(0);
    let integer = ValueType::Basic(Basic::Integer);
    let text = ValueType::Basic(Basic::Text);
    assert_eq!(check_default_node(&integer, node.get("n").unwrap()).unwrap(), json!(10));
    assert!(check_default_node(&integer, node.get("q").unwrap()).is_err(), "quoted where a number is wanted");
    assert!(check_default_node(&text, node.get("n").unwrap()).is_err(), "a number where text is wanted");
    assert_eq!(check_default_node(&text, node.get("q").unwrap()).unwrap(), json!("10"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-z(){}\\[\\],.!='\" ü0-9-]{0,40}") {
        let node = Node {
            value: yaml::Value::String(text), span: Span::default(), content_start: Some(0), quoted: false,
        };
        if let Ok(ty) = parse(&node)
            && let Ok(value_type) = resolve_value(&ty.ty)
            && let Some(default) = &ty.default
        {
            let _ = check_default(&value_type, default);
        }
    }
}
