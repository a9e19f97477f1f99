//! Numbers of a schema: whole ones, and decimals as exact text of any length.

use std::cmp::Ordering;

use serde_json::Value;

/// The whole number that a JSON number is; `5.0` is one, as in JSON Schema.
pub(super) fn whole(value: &Value) -> Option<i64> {
    /// Beyond this a float no longer holds every whole number.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = || value.as_f64().filter(|f| f.fract() == 0.0 && f.abs() <= EXACT);
    #[expect(clippy::cast_possible_truncation, reason = "whole and within ±2^53")]
    value.as_i64().or_else(|| value.is_f64().then(float).flatten().map(|f| f as i64))
}

/// A JSON number or a string holding one, as decimal text without exponent: `-12.50`.
pub(super) fn decimal(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        // `Display` of a float writes no exponent, and the shortest digits that mean the same float.
        Value::Number(number) if number.is_f64() => number.as_f64()?.to_string(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (all_digits(whole) && all_digits(fraction)).then_some(text)
}

/// Whether decimal text fits NUMERIC(precision, scale) without rounding.
pub(super) fn fits(decimal: &str, precision: u16, scale: u16) -> Result<(), String> {
    let (_, whole, fraction) = parts(decimal);
    if fraction.len() > usize::from(scale) {
        return Err(format!("expected at most {scale} digits after the point, got {decimal}"));
    }
    let room = precision.saturating_sub(scale);
    if whole.len() > usize::from(room) {
        return Err(format!("expected at most {room} digits before the point, got {decimal}"));
    }
    Ok(())
}

/// Whether decimal text (as a JSON string) lies in a range of decimal texts.
pub(super) fn in_range(value: &Value, range: (Option<&str>, Option<&str>)) -> Result<(), String> {
    let Some(decimal) = value.as_str() else { return Ok(()) };
    if let Some(least) = range.0.filter(|least| compare(decimal, least) == Ordering::Less) {
        return Err(format!("expected {least} or more, got {decimal}"));
    }
    if let Some(most) = range.1.filter(|most| compare(decimal, most) == Ordering::Greater) {
        return Err(format!("expected {most} or less, got {decimal}"));
    }
    Ok(())
}

/// Sign, digits before the point without leading zeros, digits after it without trailing zeros.
fn parts(decimal: &str) -> (bool, &str, &str) {
    let negative = decimal.starts_with('-');
    let digits = decimal.trim_start_matches('-');
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    (negative && !(whole.is_empty() && fraction.is_empty()), whole, fraction)
}

fn compare(a: &str, b: &str) -> Ordering {
    let ((a_negative, a_whole, a_fraction), (b_negative, b_whole, b_fraction)) = (parts(a), parts(b));
    let magnitude =
        (a_whole.len().cmp(&b_whole.len())).then_with(|| a_whole.cmp(b_whole)).then_with(|| a_fraction.cmp(b_fraction));
    match (a_negative, b_negative) {
        (false, false) => magnitude,
        (true, true) => magnitude.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn decimals_compare_by_value_not_by_text() {
        for (a, b) in [("-1", "0"), ("9", "10"), ("1.05", "1.5"), ("-10", "-9"), ("-0.2", "-0.1")] {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
        }
        assert_eq!(compare("1.50", "01.5"), Ordering::Equal);
        assert_eq!(compare("-0", "0.0"), Ordering::Equal);
    }

    #[test]
    fn decimals_keep_their_digits() {
        assert_eq!(decimal(&json!("12345678901234567890.12")).as_deref(), Some("12345678901234567890.12"));
        assert_eq!(decimal(&json!(0.1)).as_deref(), Some("0.1"));
        assert_eq!(decimal(&json!(1e21)).as_deref(), Some("1000000000000000000000"));
        for bad in
            [json!("1e5"), json!(""), json!("-"), json!("1."), json!(".5"), json!("--1"), json!("NaN"), json!(true)]
        {
            assert_eq!(decimal(&bad), None, "{bad}");
        }
    }
}
