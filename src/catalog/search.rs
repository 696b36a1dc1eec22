//! Looking for words.

/// The words that somebody looks for, in lower case.
pub(super) struct Search(String);

impl Search {
    pub(super) fn new(text: Option<&str>) -> Self {
        Self(text.unwrap_or_default().to_lowercase())
    }

    /// Whether `text`, in lower case, holds every word.
    pub(super) fn fits(&self, text: &str) -> bool {
        self.0.split_whitespace().all(|word| text.contains(word))
    }
}
