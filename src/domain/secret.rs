//! Secret text: no `Debug`, no `Display`, no `Serialize`, zeroed on drop.

use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// A value that must not reach a log, an error or a response.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of `text`; the caller keeps no copy.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Every call site is a place where a secret leaves its wrapper.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The last four characters, or nothing when the secret is too short for that to be safe.
    #[must_use]
    pub fn hint(&self) -> String {
        let count = self.0.chars().count();
        if count < 12 {
            return String::new();
        }
        self.0.chars().skip(count - 4).collect()
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn hint_shows_four_characters_of_long_secrets_only() {
        let cases = [("", ""), ("short", ""), ("elevenchars", ""), ("ghp_0123456789abcd", "abcd")];
        for (text, hint) in cases {
            assert_eq!(Secret::new(text.to_owned()).hint(), hint, "{text}");
        }
    }
}
