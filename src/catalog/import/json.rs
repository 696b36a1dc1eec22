//! JSON as people write it: with comments and trailing commas, as VS Code allows them.
//!
//! What is not JSON is blanked out, byte for byte, so that the places in errors stay right; then it is `serde_json`'s,
//! which has a bound for how deep things may be nested.

use serde_json::Value;

/// Reads a document. The error names a place and quotes nothing: what stands there may be a secret.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let wrong =
        |error: serde_json::Error| format!("it is no JSON, at line {}, column {}", error.line(), error.column());
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(_) => serde_json::from_str(&plain(text)).map_err(wrong),
    }
}

/// The text with blanks in place of comments and of commas that nothing follows.
fn plain(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    // The last comma outside of strings, if only blanks have followed.
    let (mut at, mut comma) = (0, None);
    while let Some(&byte) = out.get(at) {
        let next = out.get(at + 1).copied();
        let end = match (byte, next) {
            (b'"', _) => {
                comma = None;
                end_of_string(&out, at)
            }
            (b'/', Some(b'/')) => blank(&mut out, at, |rest| rest.iter().position(|byte| *byte == b'\n')),
            (b'/', Some(b'*')) => {
                blank(&mut out, at, |rest| rest.windows(2).skip(2).position(|two| two == b"*/").map(|end| end + 4))
            }
            (b'}' | b']', _) => {
                if let Some(place) = comma.take().and_then(|comma: usize| out.get_mut(comma)) {
                    *place = b' ';
                }
                at + 1
            }
            (b',', _) => {
                comma = Some(at);
                at + 1
            }
            (byte, _) => {
                if !byte.is_ascii_whitespace() {
                    comma = None;
                }
                at + 1
            }
        };
        at = end;
    }
    // Only whole characters were blanked.
    String::from_utf8(out).unwrap_or_default()
}

/// Behind the quote that ends the string which begins at `from`.
fn end_of_string(text: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// Blanks what begins at `from`, to where `length` says that it ends, or to the end; lines stay lines.
fn blank(text: &mut [u8], from: usize, length: impl Fn(&[u8]) -> Option<usize>) -> usize {
    let end = text.get(from..).and_then(&length).map_or(text.len(), |length| from + length);
    for byte in text.get_mut(from..end).into_iter().flatten().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_and_trailing_commas_are_no_matter() {
        let cases = [
            ("{\"a\": 1}", json!({"a": 1})),
            ("\u{feff}{\"a\": 1,}", json!({"a": 1})),
            ("// one\n{\"a\": [1, /* , */ 2, ], } // two", json!({"a": [1, 2]})),
            ("{\"a\": \"// no, /* comment */\", }", json!({"a": "// no, /* comment */"})),
            ("{\"a\\\"\": \",}\",/**/}", json!({"a\"": ",}"})),
            ("{\"ü\": 1, // ü\n}", json!({"ü": 1})),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn errors_name_the_place_and_quote_nothing() {
        for text in ["", "{", "/*", "//", "{\"token\": sk-12345}", "[1,,2]", "\"", "{\"a\":1}}", "/* {\"a\":1}"] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with("it is no JSON, at line ") && !error.contains("sk-"), "{text}: {error}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in ".{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_json_already_stays(text in "[\"\\\\/*, a{}\\[\\]\n]{0,60}") {
            let value = json!({ "text": text, "list": [text, 1] });
            prop_assert_eq!(serde_json::from_str::<Value>(&plain(&value.to_string())).unwrap(), value);
        }
    }
}
