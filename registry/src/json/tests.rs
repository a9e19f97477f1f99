use serde_json::json;

use super::*;

#[test]
fn numbers_keep_their_digits_from_text_to_text() {
    let text =
        r#"{"a":99999999999999.99,"b":[123456789012345.6789,-0,1.50,1e5,12345678901234567890123],"c":{"d":0.1}}"#;
    assert_eq!(Json::parse(text).unwrap().to_string(), text);
    // Also where it is a part of something else.
    assert_eq!(serde_json::to_string(&serde_json::from_str::<Vec<Json>>("[1.10]").unwrap()).unwrap(), "[1.10]");
}

#[test]
fn it_reads_what_serde_json_reads() {
    let texts = [
        "null",
        "true",
        "false",
        " 1 ",
        "\"a\\u00e9\\n\"",
        "[]",
        "{}",
        "[1,[2,{\"a\":null}]]",
        "{\"a\":{\"b\":[true]}}",
        "{\"a\":1,\"a\":2}",
        "-1.5e-3",
        "18446744073709551615",
    ];
    for text in texts {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Json::parse(text).unwrap(), value, "{text}");
        assert_eq!(Value::from(Json::from(value.clone())), value, "{text}");
        assert_eq!(serde_json::from_value::<Json>(value.clone()).unwrap(), value, "{text}");
        assert_eq!(serde_json::to_value(Json::parse(text).unwrap()).unwrap(), value, "{text}");
    }
    for text in [
        "",
        "nul",
        "tru",
        "NaN",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "[1,]",
        "{\"a\"}",
        "{a:1}",
        "'a'",
        "\"\\ud800\"",
        "[\"\\ud800\"]",
        "{} x",
        "1 2",
        "[1",
        "\"a",
        "-",
        "\u{a0}1",
    ] {
        assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        assert!(Json::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_number_that_nobody_holds_is_refused_alone() {
    for text in ["1e400", "-1e400", "1e-1001", "1e99999999999", &format!("1{}", "0".repeat(400))] {
        assert!(matches!(Json::parse(&format!("[1,{text}]")), Err(JsonError::Range(_))), "{text}");
    }
    assert!(Json::parse("1e-400").is_ok());
    let long = JsonError::Range(excerpt(&"9".repeat(400))).to_string();
    assert!(long.len() < 80, "{long}");
}

#[test]
fn depth_is_bounded_without_recursion() {
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    assert!(Json::parse(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(Json::parse(&nested(MAX_DEPTH + 1)), Err(JsonError::Depth(MAX_DEPTH)));
    assert_eq!(Json::parse(&nested(1_000_000)), Err(JsonError::Depth(MAX_DEPTH)));
    assert_eq!(Json::parse_within(&nested(3), 2), Err(JsonError::Depth(2)));
    assert_eq!(depth(r#"{"[[[": "\"[[["}"#), 1);
}

#[test]
fn an_exponent_is_written_out_exactly() {
    for (written, plain) in [
        ("1.5e3", "1500"),
        ("1e21", "1000000000000000000000"),
        ("-1.25E-2", "-0.0125"),
        ("0.15e1", "1.5"),
        ("12345.678e2", "1234567.8"),
        ("12345678901234567.89", "12345678901234567.89"),
        ("0e5", "0"),
        ("0.00e-2", "0.0000"),
        ("10e-1", "1.0"),
    ] {
        assert_eq!(Number::read(written).unwrap().plain(), plain, "{written}");
    }
}

#[test]
fn a_whole_number_may_have_a_point_and_is_exact() {
    let whole = |text| Number::read(text).unwrap().whole();
    assert_eq!(whole("9223372036854775807"), Some(i64::MAX));
    assert_eq!(whole("9007199254740993.0"), Some(9_007_199_254_740_993));
    assert_eq!(whole("5e2"), Some(500));
    assert_eq!([whole("1.5"), whole("9223372036854775808"), whole("1e300")], [None; 3]);
}

#[test]
fn texts_and_keys_are_changed_at_every_depth() {
    let json = Json::from(json!({"a\0": ["x\0y", {"b": "\0"}], "c": 1}));
    assert!(json.any_text(&|text| text == "a\0") && !json.any_text(&|text| text == "c\0"));
    assert_eq!(json.without_nul(), json!({"a\u{fffd}": ["x\u{fffd}y", {"b": "\u{fffd}"}], "c": 1}));
}
