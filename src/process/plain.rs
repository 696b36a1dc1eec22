//! What a child wrote, as text that no terminal obeys. Pure.
//!
//! Logs are read with `cat` as well as through the API, so that they must be harmless in the file.

use std::borrow::Cow;

/// `text` with everything that moves a cursor, changes colours, sets titles, hides or reorders
/// characters spelled out (`\u{1b}`). Tabs stay.
#[must_use]
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_odd(letter) {
            plain.extend(letter.escape_unicode());
        } else {
            plain.push(letter);
        }
    }
    Cow::Owned(plain)
}

/// C0 and C1 controls, and what overrides the direction of writing (Unicode TR 36, "Trojan Source").
fn is_odd(letter: char) -> bool {
    let overrides_direction = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (letter.is_control() && letter != '\t') || overrides_direction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spells_out_what_a_terminal_would_obey() {
        let cases = [
            ("plain text\tand a tab", "plain text\tand a tab"),
            ("größer → 東京 🚢", "größer → 東京 🚢"),
            ("\x1b[31mred\x1b[0m", "\\u{1b}[31mred\\u{1b}[0m"),
            ("first\rover", "first\\u{d}over"),
            ("\u{9b}2J\u{7f}\u{8}\0", "\\u{9b}2J\\u{7f}\\u{8}\\u{0}"),
            ("user\u{202e}nimda", "user\\u{202e}nimda"),
            ("two\nlines", "two\\u{a}lines"),
        ];
        for (text, expected) in cases {
            assert_eq!(plain(text), expected);
        }
        assert!(matches!(plain("as it was"), Cow::Borrowed(_)));
    }
}
