//! Plain scalars: which value they are, and which spellings are refused.

use super::Value;

/// A plain scalar that other YAML readers read in a different way.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ambiguous {
    /// What is wrong with it.
    pub(super) why: &'static str,
    /// What to write where the value was meant, if there is such a form.
    pub(super) instead: Option<String>,
}

/// The value of a plain scalar.
pub(super) fn resolve(text: &str) -> Result<Value, Ambiguous> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        "True" | "TRUE" | "False" | "FALSE" => {
            return Err(Ambiguous {
                why: "only `true` and `false` are booleans",
                instead: Some(text.to_ascii_lowercase()),
            });
        }
        _ => {}
    }
    if is_canonical(text) {
        let fits = text.contains('.') || text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
        return if fits {
            Ok(Value::Number(text.to_owned()))
        } else {
            Err(Ambiguous { why: "this number does not fit 64 bits", instead: None })
        };
    }
    match other_spelling(text) {
        Some(ambiguous) => Err(ambiguous),
        None => Ok(Value::String(text.to_owned())),
    }
}

/// `-?(0|[1-9][0-9]*)(\.[0-9]+)?`, the spelling that every reader takes for the same number; not `-0`.
fn is_canonical(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(all_digits) && text != "-0"
}

/// The other spellings of numbers in YAML 1.2 (and the ones of 1.1 with a leading zero).
fn other_spelling(text: &str) -> Option<Ambiguous> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Some(Ambiguous { why: "numbers must be finite", instead: None });
    }
    let minus = if text.starts_with('-') { "-" } else { "" };
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = unsigned.strip_prefix(prefix)
            && !digits.is_empty()
            && digits.chars().all(|digit| digit.is_digit(radix))
        {
            let instead = u64::from_str_radix(digits, radix).ok().map(|value| format!("{minus}{value}"));
            return Some(Ambiguous { why: "numbers are written in decimal", instead });
        }
    }
    // What is left looks like a float: digits, point, exponent, in some order that is not the canonical one.
    let numeric = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        && unsigned.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
        && unsigned.parse::<f64>().is_ok();
    if !numeric {
        return None;
    }
    let trimmed = unsigned.trim_start_matches('0');
    let candidate =
        format!("{minus}{}{trimmed}", if trimmed.is_empty() || trimmed.starts_with('.') { "0" } else { "" });
    let candidate = candidate.strip_suffix('.').unwrap_or(&candidate).to_owned();
    Some(Ambiguous { why: "this number has several readings", instead: is_canonical(&candidate).then_some(candidate) })
}
