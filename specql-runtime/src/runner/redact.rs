//! Masks credentials in whatever leaves a runner: outputs, error messages, logs.
//!
//! A far side may echo a credential as it is, or in another spelling; each is masked: raw, base64 (at any offset within
//! a longer encoded text, both alphabets), percent- and form-encoded, JSON-escaped.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use specql_registry::Json;

/// What stands where a credential stood.
pub const MASK: &str = "***";
/// A shorter credential is not masked: it would tear ordinary words apart.
pub const MIN_SECRET_LEN: usize = 6;

/// What a URL's query leaves as it is varies; these are what most encoders keep.
const LENIENT: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'%').add(b'&').add(b'+');
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// `application/x-www-form-urlencoded` keeps `*` and encodes `~`.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// Masks a set of credentials.
#[derive(Clone, Default)]
pub struct Redactor {
    secrets: Vec<String>,
    /// All spellings, the longest first, so that none is cut by a shorter one within it.
    spellings: Vec<String>,
}

impl Redactor {
    /// Whether this credential is masked already, or too short to be.
    #[must_use]
    pub fn knows(&self, secret: &str) -> bool {
        secret.len() < MIN_SECRET_LEN || self.secrets.iter().any(|known| known == secret)
    }

    /// The same, and `secret` masked as well.
    #[must_use]
    pub fn with(&self, secret: &str) -> Self {
        if self.knows(secret) {
            return self.clone();
        }
        let mut redactor = self.clone();
        redactor.secrets.push(secret.to_owned());
        redactor.spellings.extend(spellings(secret));
        redactor.spellings.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        redactor.spellings.dedup();
        redactor
    }

    /// The text with every credential masked.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.spellings.iter().fold(text.to_owned(), |text, spelling| {
            if text.contains(spelling.as_str()) { text.replace(spelling.as_str(), MASK) } else { text }
        })
    }

    /// The value with every credential masked, in strings and in keys.
    #[must_use]
    pub fn json(&self, value: Json) -> Json {
        if self.spellings.is_empty() { value } else { value.map_texts(&|text| self.text(&text)) }
    }
}

/// Shows nothing of what it masks.
impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").field("secrets", &self.secrets.len()).finish_non_exhaustive()
    }
}

fn spellings(secret: &str) -> Vec<String> {
    let mut spellings = vec![secret.to_owned()];
    for set in [LENIENT, STRICT, FORM] {
        let encoded = utf8_percent_encode(secret, set).to_string();
        spellings.push(encoded.replace("%20", "+"));
        // Hexadecimal digits may be of either case.
        spellings.push(lower_escapes(&encoded));
        spellings.push(encoded);
    }
    let json = Value::from(secret).to_string();
    let json = json[1..json.len() - 1].to_owned();
    for json in [json.replace('/', "\\/"), json] {
        spellings.push(ascii_json(&json));
        spellings.push(json);
    }
    for offset in 0..3 {
        let encode = |engine: &dyn Fn(&[u8]) -> String| {
            let mut bytes = vec![0; offset];
            bytes.extend_from_slice(secret.as_bytes());
            let text = engine(&bytes);
            // Characters that also hold bits of what stands before or after the secret vary: leave them out.
            let start = (offset * 8).div_ceil(6);
            let end = bytes.len() * 8 / 6;
            text[start..end].to_owned()
        };
        spellings.push(encode(&|bytes| STANDARD_NO_PAD.encode(bytes)));
        spellings.push(encode(&|bytes| URL_SAFE_NO_PAD.encode(bytes)));
    }
    spellings.retain(|spelling| spelling.len() >= MIN_SECRET_LEN);
    spellings
}

/// `%2F` → `%2f`.
fn lower_escapes(encoded: &str) -> String {
    let mut lower = String::with_capacity(encoded.len());
    let mut digits = 0;
    for c in encoded.chars() {
        lower.push(if digits > 0 { c.to_ascii_lowercase() } else { c });
        digits = if c == '%' { 2 } else { i32::max(digits - 1, 0) };
    }
    lower
}

/// JSON text with everything beyond ASCII escaped, as many writers do.
fn ascii_json(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            ascii.push(c);
        } else {
            ascii.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    const SECRET: &str = "s3cr/t+ \"ü~key";

    fn redactor() -> Redactor {
        Redactor::default().with(SECRET)
    }

    #[test]
    fn every_spelling_of_a_secret_is_masked() {
        let form: String = url_form(SECRET);
        for spelling in [
            SECRET.to_owned(),
            utf8_percent_encode(SECRET, NON_ALPHANUMERIC).to_string(),
            utf8_percent_encode(SECRET, STRICT).to_string(),
            utf8_percent_encode(SECRET, STRICT).to_string().to_lowercase(),
            form,
            json!(SECRET).to_string().trim_matches('"').to_owned(),
            "s3cr\\/t+ \\\"\\u00fc~key".to_owned(),
            STANDARD.encode(SECRET),
            URL_SAFE_NO_PAD.encode(SECRET),
        ] {
            let masked = redactor().text(&format!("<{spelling}>"));
            assert!(masked.contains(MASK), "{spelling} → {masked}");
            assert!(!masked.contains("key"), "{spelling} → {masked}");
        }
    }

    fn url_form(text: &str) -> String {
        utf8_percent_encode(text, FORM).to_string().replace("%20", "+")
    }

    #[test]
    fn a_secret_inside_a_longer_base64_text_is_masked_at_every_offset() {
        for before in ["", "u", "us", "user:"] {
            for after in ["", "x", "yz"] {
                let masked = redactor().text(&STANDARD.encode(format!("{before}{SECRET}{after}")));
                assert!(masked.contains(MASK), "{before}|{after}: {masked}");
            }
        }
    }

    #[test]
    fn values_are_masked_in_strings_and_keys_at_any_depth() {
        let masked = redactor().json(json!({"a": [{(SECRET): format!("x{SECRET}")}], "n": 5}).into());
        assert_eq!(masked, json!({"a": [{"***": "x***"}], "n": 5}));
    }

    #[test]
    fn a_secret_within_a_longer_one_does_not_leave_its_rest() {
        let redactor = Redactor::default().with("abcdef").with("abcdefghij");
        assert_eq!(redactor.text("abcdefghij abcdef"), "*** ***");
    }

    #[test]
    fn short_words_are_left_alone() {
        assert_eq!(Redactor::default().with("a").with("").text("a banana"), "a banana");
    }
}
