//! The path of a request: an input can fill a segment, never leave it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use specql_registry::FailureClass;

use super::failure;
use crate::runner::Failure;

/// RFC 3986's unreserved characters stand as they are; everything else is encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A field's value as (part of) a path segment.
///
/// A slash is encoded, so the value stays one segment. `.` and `..` cannot be encoded (`%2e%2e` means the same to a URL
/// parser), and some servers decode `%2F` before they look for them: such values are refused.
pub(super) fn encode(field: &str, value: &str) -> Result<String, Failure> {
    let refuse = |why: &str| {
        Err(failure(
            FailureClass::InvalidInput,
            format!("input `{field}` is part of the URL's path: it must not {why}"),
        ))
    };
    if value.is_empty() {
        return refuse("be empty");
    }
    if value.chars().any(char::is_control) {
        return refuse("hold control characters");
    }
    let decoded = percent_decode_str(value).decode_utf8_lossy();
    let climbs =
        |text: &str| text.split(['/', '\\']).map(|segment| segment.split(';').next().unwrap_or(segment)).any(is_dots);
    if climbs(value) || climbs(&decoded) {
        return refuse("hold a `.` or `..` segment");
    }
    Ok(utf8_percent_encode(value, SEGMENT).to_string())
}

/// Whether a filled path would be shortened by a URL parser: two slots, or a slot and the text beside it, can make the
/// dots together that neither holds alone.
pub(super) fn climbs(path: &str) -> bool {
    path.split('/').any(|segment| is_dots(&percent_decode_str(segment).decode_utf8_lossy()))
}

fn is_dots(segment: &str) -> bool {
    segment == "." || segment == ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ht_04_a_value_stays_inside_its_segment() {
        for (value, encoded) in [
            ("cus_123", "cus_123"),
            ("a b/c?d#e&f=g", "a%20b%2Fc%3Fd%23e%26f%3Dg"),
            ("ü", "%C3%BC"),
            ("%2f", "%252f"),
            ("a..b", "a..b"),
            ("...", "..."),
            ("@evil:80", "%40evil%3A80"),
        ] {
            assert_eq!(encode("id", value).unwrap(), encoded);
        }
    }

    #[test]
    fn ht_04_a_value_that_climbs_out_is_refused() {
        for value in [
            "",
            ".",
            "..",
            "../admin",
            "a/../../b",
            "..\\..",
            "%2e%2e",
            "%2E%2e%2fadmin",
            "..;/x",
            "..;a=b",
            "a/..",
            "a\r\nb",
            "a\0b",
            "\t",
        ] {
            let failure = encode("id", value).unwrap_err();
            assert_eq!(failure.class, FailureClass::InvalidInput, "{value:?}");
            assert!(failure.message.contains("`id`"), "{}", failure.message);
        }
    }

    #[test]
    fn ht_04_dots_that_two_slots_make_together_are_seen() {
        assert!(climbs("/v1/../x"));
        assert!(climbs("/v1/%2e./x"));
        assert!(climbs("/v1/."));
        assert!(!climbs("/v1/a.b/..c"));
    }

    proptest::proptest! {
        #[test]
        fn ht_04_no_value_leaves_its_segment(value in "[\\PC./%;\\\\?#@:&]{0,12}") {
            if let Ok(encoded) = encode("id", &value) {
                let url = url::Url::parse(&format!("https://a.example/v1/{encoded}/x")).unwrap();
                let segments: Vec<_> = url.path_segments().unwrap().collect();
                proptest::prop_assert_eq!(&segments, &["v1", encoded.as_str(), "x"]);
                proptest::prop_assert_eq!(percent_decode_str(segments[1]).decode_utf8().unwrap(), value);
                proptest::prop_assert!(url.query().is_none() && url.fragment().is_none());
            }
        }
    }
}
