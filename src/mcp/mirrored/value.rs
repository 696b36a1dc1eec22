//! Values on their way into a header and back (streamable-http 2026-07-28, "Value Encoding").

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::Mismatch;

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";
/// The largest integer that a JavaScript client can tell from its neighbours: 2^53 - 1.
const MAX_SAFE: i64 = (1 << 53) - 1;

/// `value` as a header value: itself where that is safe, in base64 within the sentinel where not.
#[must_use]
pub fn encode(value: &str) -> Cow<'_, str> {
    let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let padded = value.starts_with(' ') || value.ends_with(' ');
    let sentinel = value.starts_with(PREFIX) && value.ends_with(SUFFIX);
    if plain && !padded && !sentinel {
        Cow::Borrowed(value)
    } else {
        Cow::Owned(format!("{PREFIX}{}{SUFFIX}", STANDARD.encode(value)))
    }
}

/// The value that `value` encodes. The sentinel is case-sensitive, and base64 within it is strict:
/// padding, alphabet and unused bits have only one right form (SEP-2243, "Base64 Decoding").
pub(super) fn decode<'a>(header: &str, value: &'a str) -> Result<Cow<'a, str>, Mismatch> {
    let Some(inner) = value.strip_prefix(PREFIX).and_then(|rest| rest.strip_suffix(SUFFIX)) else {
        return Ok(Cow::Borrowed(value));
    };
    let text = STANDARD.decode(inner).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Cow::Owned).ok_or_else(|| Mismatch::Base64(header.to_owned()))
}

/// The integer that a decimal number is, however it is written (`42`, `42.0`, `4.2e1`); `None`
/// beyond the safe range and for what is no integer.
pub(super) fn integer(text: &str) -> Option<i64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |rest| (true, rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{whole}{fraction}");
    let zeros = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let value = shifted(digits.trim_start_matches('0'), zeros)?;
    let value = if negative { -value } else { value };
    (-MAX_SAFE..=MAX_SAFE).contains(&value).then_some(value)
}

/// `digits` with that many zeros behind them, or that many taken away.
fn shifted(digits: &str, zeros: i32) -> Option<i64> {
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let zeros = zeros.checked_add(i32::try_from(digits.len() - significant.len()).ok()?)?;
    let factor = 10_i64.checked_pow(u32::try_from(zeros).ok()?)?;
    significant.parse::<i64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The examples of the specification, and the edge cases of SEP-2243.
    #[test]
    fn encodes_what_a_header_cannot_carry() {
        let cases = [
            ("us-west1", "us-west1"),
            ("us west 1", "us west 1"),
            ("", ""),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            (" us-west1", "=?base64?IHVzLXdlc3Qx?="),
            ("us-west1 ", "=?base64?dXMtd2VzdDEg?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("\tindented", "=?base64?CWluZGVudGVk?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("=?base64?=", "=?base64?PT9iYXNlNjQ/PQ==?="),
            ("=?base64?open", "=?base64?open"),
            ("\u{7f}", "=?base64?fw==?="),
        ];
        for (value, expected) in cases {
            assert_eq!(encode(value), expected, "{value:?}");
        }
    }

    #[test]
    fn decodes_strictly() {
        let cases = [
            ("=?base64?SGVsbG8=?=", Some("Hello")),
            ("=?base64??=", Some("")),
            ("SGVsbG8=", Some("SGVsbG8=")),
            ("=?base64?SGVsbG8=", Some("=?base64?SGVsbG8=")),
            ("=?BASE64?SGVsbG8=?=", Some("=?BASE64?SGVsbG8=?=")),
            ("=?base64?=", Some("=?base64?=")),
            ("=?base64?SGVsbG8?=", None),
            ("=?base64?SGVs!!!bG8=?=", None),
            ("=?base64?SGVsbG9=?=", None),
            ("=?base64? SGVsbG8=?=", None),
            ("=?base64?SGVs_-8=?=", None),
            ("=?base64?/w==?=", None),
        ];
        for (value, expected) in cases {
            assert_eq!(decode("h", value).ok().as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn integers_are_read_however_they_are_written() {
        let cases = [
            ("42", Some(42)),
            ("42.0", Some(42)),
            ("42.000", Some(42)),
            ("4.2e1", Some(42)),
            ("0.42E+2", Some(42)),
            ("4200e-2", Some(42)),
            ("-7", Some(-7)),
            ("0", Some(0)),
            ("-0", Some(0)),
            ("0e999999", Some(0)),
            ("0.0e-5", Some(0)),
            ("100", Some(100)),
            ("9007199254740991", Some(MAX_SAFE)),
            ("-9007199254740991", Some(-MAX_SAFE)),
            ("9007199254740992", None),
            ("1e16", None),
            ("1e999999999", None),
            ("1e-999999999", None),
            ("1e99999999999999999999", None),
            ("42.5", None),
            ("42.00000000000000000000001", None),
            ("42e-1", None),
            ("", None),
            ("-", None),
            (".", None),
            ("42.", None),
            ("1e", None),
            ("1e1e1", None),
            ("0x2a", None),
            ("--1", None),
            ("NaN", None),
        ];
        for (text, expected) in cases {
            assert_eq!(integer(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_safe_and_is_decoded(value in ".{0,40}") {
            let header = encode(&value).into_owned();
            prop_assert!(header.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert_eq!(header.trim(), &header);
            prop_assert_eq!(decode("h", &header).unwrap(), value);
        }

        #[test]
        fn integers_survive_their_text(value in -MAX_SAFE..=MAX_SAFE, zeros in 0_usize..4) {
            prop_assert_eq!(integer(&value.to_string()), Some(value));
            prop_assert_eq!(integer(&format!("{value}.{}", "0".repeat(zeros + 1))), Some(value));
            prop_assert_eq!(integer(&format!("{value}{}e-{zeros}", "0".repeat(zeros))), Some(value));
        }
    }
}
