//! What a start depends on, by name, as digests: to say later what changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Digests by name. Every instance keeps one for good, so it is held as one piece of text: a line for each part, its
/// name and digest separated by a tab. Where it is written it is a JSON object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Fingerprint(Box<str>);

impl Fingerprint {
    fn parts(&self) -> BTreeMap<&str, &str> {
        self.0.lines().filter_map(|line| line.split_once('\t')).collect()
    }

    /// The names whose parts differ.
    #[must_use]
    pub fn changed(&self, now: &Self) -> Vec<String> {
        let (before, now) = (self.parts(), now.parts());
        let names: BTreeSet<&str> = before.keys().chain(now.keys()).copied().collect();
        names.into_iter().filter(|name| before.get(name) != now.get(name)).map(str::to_owned).collect()
    }
}

impl From<BTreeMap<String, String>> for Fingerprint {
    /// Names are those of fields and variables: neither they nor digests have tabs or line ends.
    fn from(parts: BTreeMap<String, String>) -> Self {
        let lines: Vec<String> = parts.into_iter().map(|(name, digest)| format!("{name}\t{digest}")).collect();
        Self(lines.join("\n").into())
    }
}

impl From<Fingerprint> for BTreeMap<String, String> {
    fn from(fingerprint: Fingerprint) -> Self {
        let owned = |(name, digest): (&str, &str)| (name.to_owned(), digest.to_owned());
        fingerprint.parts().into_iter().map(owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[(&str, &str)]) -> Fingerprint {
        let owned = |(name, digest): &(&str, &str)| ((*name).to_owned(), (*digest).to_owned());
        parts.iter().map(owned).collect::<BTreeMap<_, _>>().into()
    }

    #[test]
    fn what_changed_came_and_went_is_named() {
        let before = of(&[("config.a", "1"), ("credential", ""), ("env.B", "2")]);
        assert_eq!(before.changed(&before), Vec::<String>::new());
        let now = of(&[("config.a", "1"), ("credential", "x"), ("env.C", "3")]);
        assert_eq!(before.changed(&now), ["credential", "env.B", "env.C"]);
    }

    #[test]
    fn it_is_written_as_an_object() {
        let fingerprint = of(&[("a", "1"), ("b", "")]);
        let text = serde_json::to_string(&fingerprint).unwrap();
        assert_eq!(text, r#"{"a":"1","b":""}"#);
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap(), fingerprint);
        assert_eq!(serde_json::from_str::<Fingerprint>("{}").unwrap(), of(&[]));
    }
}
