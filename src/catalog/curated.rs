//! The curated list: well-known servers with launch data that somebody has checked, as templates of services.
//!
//! Each is a file of `src/catalog/curated`, which is part of the binary: a manifest, and beside it `homepage`,
//! `categories` and `[checked]`, which `scripts/check-catalog.py` writes. Owner of state: the parsed list, made when it
//! is first asked for, so that it costs a start nothing. Invariant: every file is in `FILES` and parses; a test sees
//! to both.

mod files;

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use url::Url;

use self::files::FILES;
use super::{CatalogError, search::Search};
use crate::domain::{manifest::Manifest, names::ServiceName};

/// One server of the list.
#[derive(Clone, Debug, Serialize)]
pub struct Curated {
    /// What a service of it would be.
    pub manifest: Manifest,
    /// Where its makers describe it.
    pub homepage: Url,
    /// What it is about, in lower case.
    pub categories: Vec<String>,
    /// What became of it when it was last checked.
    pub checked: Checked,
}

/// What became of a server when it was last checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// How it ended.
    pub outcome: Outcome,
    /// The day, `YYYY-MM-DD`; none where it was not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// How many tools it listed, without a credential that is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<u32>,
    /// What else a person should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How a check ended. What was found to be broken is not in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was installed and started, and answered `initialize` and `tools/list`.
    Answers,
    /// It was installed, and ends without its outside service or a good credential.
    NeedsItsService,
    /// It runs elsewhere; its address is what its makers document.
    NotReached,
}

/// What stands in a file beside the manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Beside {
    homepage: Url,
    categories: Vec<String>,
    checked: Checked,
}

/// The list by name, or what is wrong with it: that would be a mistake of ours.
fn parsed() -> &'static [Curated] {
    static PARSED: OnceLock<Vec<Curated>> = OnceLock::new();
    PARSED.get_or_init(|| {
        let read = |(name, text): &(&str, &str)| match parse(text) {
            Ok(entry) => Some(entry),
            Err(error) => {
                log::error!("the entry {name} of the curated list is left out: {error}");
                None
            }
        };
        FILES.iter().filter_map(read).collect()
    })
}

fn parse(text: &str) -> Result<Curated, CatalogError> {
    let wrong = |error: toml::de::Error| CatalogError::syntax(None, None, error.message().to_owned());
    let mut table: toml::Table = text.parse().map_err(wrong)?;
    let beside: toml::Table = ["homepage", "categories", "checked"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), table.remove(key)?)))
        .collect();
    let Beside { homepage, categories, checked } = beside.try_into().map_err(wrong)?;
    let manifest: Manifest = table.try_into().map_err(wrong)?;
    manifest.validate()?;
    Ok(Curated { manifest, homepage, categories, checked })
}

/// The servers of the list whose name, display name, description or categories hold every word of `search`, and that
/// are of `category`, by name. The first call reads the list.
#[must_use]
pub fn list(search: Option<&str>, category: Option<&str>) -> Vec<&'static Curated> {
    let search = Search::new(search);
    let fits = |entry: &&Curated| {
        let Manifest { name, display_name, description, .. } = &entry.manifest;
        let text = format!("{name}\n{display_name}\n{description}\n{}", entry.categories.join("\n")).to_lowercase();
        let is_of = |wanted: &str| entry.categories.iter().any(|category| category.eq_ignore_ascii_case(wanted));
        search.fits(&text) && category.is_none_or(is_of)
    };
    parsed().iter().filter(fits).collect()
}

/// The server of that name. The first call reads the list.
#[must_use]
pub fn get(name: &ServiceName) -> Option<&'static Curated> {
    parsed().iter().find(|entry| entry.manifest.name == *name)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;
    use crate::domain::manifest::{CredentialKind, Launch, Network};

    #[test]
    fn every_file_is_in_the_list_and_is_a_service() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/catalog/curated");
        let named = fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".toml").map(str::to_owned));
        let listed: Vec<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(named.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(), listed);
        for (name, text) in FILES {
            let entry = parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let Curated { manifest, categories, checked, homepage } = &entry;
            assert_eq!(manifest.name.as_str(), *name);
            assert_eq!(manifest.privilege(), None, "{name}");
            assert!(
                homepage.scheme() == "https" && !categories.is_empty() && !manifest.description.is_empty(),
                "{name}"
            );
            let is_remote = matches!(manifest.launch, Launch::Remote { .. });
            assert_eq!(checked.outcome == Outcome::NotReached, is_remote, "{name}");
            assert_eq!(checked.date.is_none(), is_remote, "{name}");
            assert_eq!(checked.tools.is_some(), checked.outcome == Outcome::Answers, "{name}");
            assert!(is_remote || matches!(manifest.launch, Launch::Npm { .. } | Launch::Pypi { .. }), "{name}");
            let needs = manifest.credential.kind != CredentialKind::None;
            assert_eq!(manifest.credential.help.is_some(), needs, "{name}: where to get a credential");
            assert!(!(needs && manifest.network == Network::None), "{name}");
        }
    }

    #[test]
    fn the_list_is_searched_by_words_and_category() {
        let names = |search, category| -> Vec<&str> {
            list(search, category).into_iter().map(|entry| entry.manifest.name.as_str()).collect()
        };
        assert!(names(None, None).len() >= 50);
        assert!(names(Some("POSTGRESQL queries"), None).contains(&"postgres"));
        assert!(names(None, Some("Browser")).contains(&"playwright"));
        assert!(names(Some("playwright"), Some("database")).is_empty());
        assert!(get(&"fetch".parse().unwrap()).is_some() && get(&"nothing".parse().unwrap()).is_none());
    }
}
