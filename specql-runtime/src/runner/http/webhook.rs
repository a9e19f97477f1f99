//! The signature of an outgoing webhook, as <https://www.standardwebhooks.com> defines it.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a symmetric secret begins with.
const PREFIX: &str = "whsec_";

/// The value of `webhook-signature` for a body. The id is the job's, the same in every attempt, so that a receiver can
/// know a repetition; the time (seconds since 1970) is the attempt's.
///
/// # Errors
/// The secret is not base64. The message does not show it.
pub(super) fn sign(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> Result<String, &'static str> {
    const WRONG: &str = "the signing secret must be `whsec_` and base64, as `openssl rand -base64 32` makes it";
    let key = STANDARD.decode(secret.strip_prefix(PREFIX).unwrap_or(secret)).map_err(|_| WRONG)?;
    if key.is_empty() {
        return Err(WRONG);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| WRONG)?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn the_signature_is_that_of_the_standard() {
        let signature = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, Ok("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=".into()));
    }

    #[test]
    fn a_secret_that_is_no_base64_is_refused_without_showing_it() {
        assert!(!sign("whsec_not base64!", "a", 0, b"").unwrap_err().contains("not base64!"));
        assert!(sign("", "a", 0, b"").is_err());
    }
}
