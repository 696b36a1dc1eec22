//! Secrets that a child prints are not written down.
//!
//! Node's own debug output shows the headers of every request, and servers print their settings: what Berth
//! knows to be secret is replaced on the way into the log, before anybody sees it.

use std::{borrow::Cow, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::domain::secret::Secret;

/// Shorter secrets are left: they would match in ordinary words.
const SHORTEST: usize = 8;
/// What stands in their place.
const STAND_IN: &str = "***";

/// The secrets of one child. The default hides nothing.
#[derive(Default)]
pub struct Mask {
    secrets: Vec<Secret>,
}

impl Mask {
    /// Hides each of `secrets` and its base64 form, which is how basic credentials travel.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let long = secrets.into_iter().filter(|secret| secret.len() >= SHORTEST);
        let forms = long.flat_map(|secret| [secret.to_owned(), STANDARD.encode(secret)]);
        Self { secrets: forms.map(Secret::new).collect() }
    }

    /// `text` without them.
    pub(super) fn apply<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        self.secrets.iter().map(Secret::expose).fold(text, |text, secret| {
            if memchr::memmem::find(text.as_bytes(), secret.as_bytes()).is_some() {
                Cow::Owned(text.replace(secret, STAND_IN))
            } else {
                text
            }
        })
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask").field("secrets", &self.secrets.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_secrets_in_both_forms() {
        let mask = Mask::new(["ghp_0123456789", "short", "user:password"]);
        let cases = [
            ("Authorization: 'Bearer ghp_0123456789'", "Authorization: 'Bearer ***'"),
            ("Basic dXNlcjpwYXNzd29yZA==", "Basic ***"),
            ("short", "short"),
            ("ghp_0123456789ghp_0123456789", "******"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(mask.apply(Cow::Borrowed(text)), expected);
        }
        assert!(!format!("{mask:?}").contains("ghp"));
    }
}
