//! Numbers of a schema: whole ones, and decimals as exact text of any length.

use std::cmp::Ordering;

use crate::Json;

/// The whole number that a JSON number is; `5.0` is one, as in JSON Schema.
pub(super) fn whole(value: &Json) -> Option<i64> {
    value.as_number()?.whole()
}

/// A JSON number or a string holding one, as decimal text without exponent: `-12.50`. No digit is lost.
pub(super) fn decimal(value: &Json) -> Option<String> {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Number(number) => number.plain(),
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
pub(super) fn in_range(value: &Json, range: (Option<&str>, Option<&str>)) -> Result<(), String> {
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
        let decimal = |text: &str| decimal(&Json::parse(text).unwrap());
        for text in ["0.1", "99999999999999.99", "123456789012345.6789", "12345678901234567.89", "1.50", "-0.0001"] {
            assert_eq!(decimal(text).as_deref(), Some(text));
            assert_eq!(decimal(&format!("\"{text}\"")).as_deref(), Some(text));
        }
        assert_eq!(decimal("1e21").as_deref(), Some("1000000000000000000000"));
        for bad in [r#""1e5""#, r#""""#, r#""-""#, r#""1.""#, r#"".5""#, r#""--1""#, r#""NaN""#, "true"] {
            assert_eq!(decimal(bad), None, "{bad}");
        }
    }
}
