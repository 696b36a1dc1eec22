//! Text with holes: what a document says, and what it leaves to be filled in.

/// Templates that Berth fills by itself: what is meant as it stands must not look like one.
const OWN_TEMPLATES: &[&str] = &[
    "{PORT}",
    "{DATA_DIR}",
    "{HOME_DIR}",
    "{TMP_DIR}",
    "{USER_ID}",
    "{INSTANCE_ID}",
    "{INSTANCE_TYPE}",
    "{SESSION_ID}",
    "{HEAP_MIB}",
    "{BUNDLE_DIR}",
    "{credential}",
    "{config.",
    "{env.",
];

/// What is to be filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hole {
    /// Its key in the document.
    pub(super) key: String,
    /// Its name for people.
    pub(super) label: String,
    /// What it is for.
    pub(super) help: String,
    /// Used when nothing is given.
    pub(super) default: Option<String>,
    /// Whether it must be given.
    pub(super) required: bool,
    /// Whether it is a secret.
    pub(super) secret: bool,
    /// What the document gives.
    pub(super) value: Option<String>,
}

impl Hole {
    /// A secret that the document gives.
    pub(super) fn found(key: &str, value: &str) -> Self {
        Self { key: key.to_owned(), required: true, secret: true, value: Some(value.to_owned()), ..Self::default() }
    }
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it stands.
    Plain(String),
    /// A template of Berth's own.
    Template(String),
    /// To be filled in.
    Hole(Hole),
}

/// A text with holes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text(pub(super) Vec<Piece>);

impl Text {
    /// Text without holes. What looks like a template of ours is a hole that is filled with it.
    pub(super) fn plain(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        if !OWN_TEMPLATES.iter().any(|template| text.contains(template)) {
            return Self(vec![Piece::Plain(text.to_owned())]);
        }
        let value = Some(text.to_owned());
        let help = "as the document has it".to_owned();
        Self::hole(Hole { key: "literal".to_owned(), required: true, value, help, ..Hole::default() })
    }

    /// A template of Berth's own.
    pub(super) fn template(text: &str) -> Self {
        Self(vec![Piece::Template(text.to_owned())])
    }

    /// One hole.
    pub(super) fn hole(hole: Hole) -> Self {
        Self(vec![Piece::Hole(hole)])
    }

    /// This text, and then another.
    pub(super) fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// What is to be filled in.
    pub(super) fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Hole(hole) => Some(hole),
            Piece::Plain(_) | Piece::Template(_) => None,
        })
    }

    /// Whether a secret is to be filled in.
    pub(super) fn has_secret(&self) -> bool {
        self.holes().any(|hole| hole.secret)
    }

    /// The whole text, when nothing has to be filled in.
    pub(super) fn literal(&self) -> Option<String> {
        let plain = self.0.iter().map(|piece| match piece {
            Piece::Plain(text) => Some(text.as_str()),
            Piece::Template(_) | Piece::Hole(_) => None,
        });
        plain.collect::<Option<String>>()
    }

    /// What stands before anything that has to be filled in.
    pub(super) fn start(&self) -> &str {
        match self.0.first() {
            Some(Piece::Plain(text)) => text,
            _ => "",
        }
    }

    /// The whole text, when the document gives all that has to be filled in.
    pub(super) fn value(&self) -> Option<String> {
        let parts = self.0.iter().map(|piece| match piece {
            Piece::Plain(text) => Some(text.as_str()),
            Piece::Template(_) => None,
            Piece::Hole(hole) => hole.value.as_deref(),
        });
        parts.collect::<Option<String>>()
    }

    /// The same with all in one secret hole, where there is more than one.
    pub(super) fn with_one_secret(self, key: &str) -> Self {
        if self.holes().filter(|hole| hole.secret).count() < 2 {
            return self;
        }
        let first = self.holes().find(|hole| hole.secret).cloned().unwrap_or_default();
        Self::hole(Hole { key: key.to_owned(), value: self.value(), ..first })
    }

    /// The same with every hole a secret.
    pub(super) fn all_secret(mut self) -> Self {
        for piece in &mut self.0 {
            if let Piece::Hole(hole) = piece {
                hole.secret = true;
            }
        }
        self
    }
}
