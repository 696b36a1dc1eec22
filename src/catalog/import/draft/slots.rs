//! Places of secrets, and which of them is the credential's.

use crate::{
    catalog::import::{
        naming::variable,
        text::{Hole, Piece, Text},
    },
    domain::manifest::CredentialKind,
};

/// Beginnings of variables that owners may not set for an instance: a secret of such a name has to be the credential.
const NOT_FOR_OWNERS: &[&str] = &["NODE_", "NPM_CONFIG_", "PYTHON", "UV_", "PIP_", "GIT_", "DOTNET_", "RUBY", "PERL"];

/// Where a secret goes.
pub(super) enum Place {
    /// A variable of the process.
    Env(String),
    /// A header of each request.
    Header(String),
    /// User and password of the URL.
    User,
    /// A part of the URL.
    Url,
}

/// A secret on its way.
pub(super) struct Slot {
    pub(super) place: Place,
    /// Text with one secret hole.
    pub(super) text: Text,
}

impl Slot {
    pub(super) fn hole(&self) -> Hole {
        self.text.holes().find(|hole| hole.secret).cloned().unwrap_or_default()
    }

    /// The prefix and suffix around the hole are nothing.
    pub(super) fn is_bare(&self) -> bool {
        self.text.0.len() == 1
    }

    pub(super) fn name(&self) -> String {
        match &self.place {
            Place::Env(name) | Place::Header(name) => name.clone(),
            Place::User => "the user and password of its URL".to_owned(),
            Place::Url => format!("{} of its URL", self.hole().key),
        }
    }

    /// Its variable in the instance's environment.
    pub(super) fn variable(&self) -> String {
        match &self.place {
            Place::Env(name) => name.clone(),
            Place::Header(name) => variable(name),
            Place::User => "USER_AND_PASSWORD".to_owned(),
            Place::Url => variable(&self.hole().key),
        }
    }
}

/// Whether a credential by itself in that header comes out as the document has it.
pub(super) fn is_usual(slot: &Slot, name: &str) -> bool {
    let bearer = matches!(slot.text.0.as_slice(), [Piece::Plain(scheme), Piece::Hole(_)] if scheme == "Bearer ");
    slot.is_bare() || bearer && name.eq_ignore_ascii_case("authorization")
}

/// Which secret is the credential: one that nothing else can carry, else the first that there must be.
pub(super) fn choose(slots: &[Slot]) -> Option<usize> {
    let needed = |slot: &Slot| slot.hole().required || slot.hole().value.is_some();
    let alone = |slot: &Slot| match &slot.place {
        Place::User => true,
        Place::Env(name) => NOT_FOR_OWNERS.iter().any(|start| name.to_ascii_uppercase().starts_with(start)),
        Place::Header(_) | Place::Url => false,
    };
    let position = |wanted: &dyn Fn(&Slot) -> bool| slots.iter().position(wanted);
    position(&|slot| alone(slot) && needed(slot)).or_else(|| position(&needed))
}

pub(super) fn kind(slot: &Slot) -> CredentialKind {
    let name = slot.name().to_ascii_uppercase();
    match &slot.place {
        Place::User => CredentialKind::Basic,
        _ if name.contains("PERSONAL_ACCESS") || name.ends_with("_PAT") => CredentialKind::PersonalAccessToken,
        _ => CredentialKind::ApiKey,
    }
}
