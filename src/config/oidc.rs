//! Sign-in providers: OpenID Connect servers that people may sign in with.

use serde::Deserialize;
use url::{Host, Url};

use super::{ConfigError, Source};
use crate::domain::secret::Secret;

/// One provider, from a table `[oidc.NAME]` of `berth.toml`. The setting `oidc` elsewhere (`BERTH_OIDC`) is
/// the same as JSON, as an inline TOML table, or the path of a TOML file of such tables.
#[derive(Clone)]
pub struct OidcProvider {
    /// Its name in URLs: `a-z`, `0-9` and `-`.
    pub name: String,
    /// `display_name`: what its button says. Default the name.
    pub display_name: String,
    /// `issuer`: as its discovery document has it, to the letter; `https`, or `http` on this host.
    pub issuer: String,
    /// `client_id`: who Berth is there.
    pub client_id: String,
    /// `client_secret`: how Berth proves that. None for public clients.
    pub client_secret: Option<Secret>,
    /// `scopes`: what is asked for beside `openid`. Default `email` and `profile`.
    pub scopes: Vec<String>,
    /// `allow_sign_up`: whether somebody without an account gets one. Default false.
    pub allow_sign_up: bool,
    /// `allowed_domains`: of the verified addresses by which accounts are found or made. Default all.
    pub allowed_domains: Vec<String>,
}

impl std::fmt::Debug for OidcProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OidcProvider").field("name", &self.name).field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    display_name: Option<String>,
    issuer: String,
    client_id: String,
    client_secret: Option<Secret>,
    scopes: Option<Vec<String>>,
    #[serde(default)]
    allow_sign_up: bool,
    #[serde(default)]
    allowed_domains: Vec<String>,
}

type Tables = std::collections::BTreeMap<String, Table>;

#[derive(Deserialize)]
struct Inline {
    oidc: Tables,
}

/// Reads the setting `oidc`.
pub(super) fn read(source: &dyn Source) -> Result<Vec<OidcProvider>, ConfigError> {
    let Some(text) = source.get("oidc") else { return Ok(Vec::new()) };
    parse(text.trim())?.into_iter().map(|(name, table)| provider(name, table)).collect()
}

/// Says where it is wrong, never what stands there: it may be a secret.
fn parse(text: &str) -> Result<Tables, ConfigError> {
    if !text.starts_with('{') {
        let content = std::fs::read_to_string(text).map_err(|error| invalid(format!("cannot read {text}: {error}")))?;
        return toml::from_str(&content).map_err(|error| invalid(format!("{text}: {}", error.message())));
    }
    if let Ok(tables) = serde_json::from_str(text) {
        return Ok(tables);
    }
    let inline: Result<Inline, _> = toml::from_str(&format!("oidc = {text}"));
    inline.map(|inline| inline.oidc).map_err(|error| invalid(error.message()))
}

fn provider(name: String, table: Table) -> Result<OidcProvider, ConfigError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 32 || !name.chars().all(is_plain) {
        return Err(invalid(format!("provider {name:?}: a name has 1 to 32 of a-z, 0-9 and '-'")));
    }
    if !is_safe_issuer(&table.issuer) {
        return Err(invalid(format!("provider {name}: `issuer` must be an https URL")));
    }
    let lower = |domain: String| domain.trim_start_matches('@').to_lowercase();
    Ok(OidcProvider {
        display_name: table.display_name.unwrap_or_else(|| name.clone()),
        name,
        issuer: table.issuer,
        client_id: table.client_id,
        client_secret: table.client_secret,
        scopes: table.scopes.unwrap_or_else(|| vec!["email".to_owned(), "profile".to_owned()]),
        allow_sign_up: table.allow_sign_up,
        allowed_domains: table.allowed_domains.into_iter().map(lower).collect(),
    })
}

/// OpenID Connect Discovery 1.0 section 7.1: TLS; only this host can be trusted without.
fn is_safe_issuer(issuer: &str) -> bool {
    let Ok(url) = Url::parse(issuer) else { return false };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

fn invalid(reason: impl Into<String>) -> ConfigError {
    ConfigError::Invalid { key: "oidc".to_owned(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Write};

    use super::*;
    use crate::config::Layers;

    fn from(text: &str) -> Result<Vec<OidcProvider>, ConfigError> {
        read(&BTreeMap::from([("oidc".to_owned(), text.to_owned())]))
    }

    const TABLES: &str = "[oidc.corp]\nissuer = \"https://id.example.org\"\nclient_id = \"berth\"\n\
         client_secret = \"s3 \\\"cret\"\nallowed_domains = [\"@Example.org\"]\n\
         [oidc.google]\nissuer = \"https://accounts.google.com\"\nclient_id = \"x\"\nallow_sign_up = true\n";

    #[test]
    fn providers_come_from_tables_from_text_and_from_a_file() {
        let mut settings = tempfile::NamedTempFile::new().unwrap();
        write!(settings, "{TABLES}").unwrap();
        let layers = Layers::new(BTreeMap::new(), std::iter::empty(), settings.path()).unwrap();
        let providers = read(&layers).unwrap();
        let names: Vec<&str> = providers.iter().map(|provider| provider.name.as_str()).collect();
        assert_eq!(names, ["corp", "google"]);
        assert_eq!(providers[0].client_secret.as_ref().unwrap().expose(), "s3 \"cret");
        assert_eq!(providers[0].allowed_domains, ["example.org"]);
        assert_eq!((providers[0].allow_sign_up, providers[1].allow_sign_up), (false, true));

        let json = r#"{"corp": {"issuer": "http://127.0.0.1:1", "client_id": "a", "display_name": "Corp"}}"#;
        assert_eq!(from(json).unwrap()[0].display_name, "Corp");
        let inline = r#"{ corp = { issuer = "https://id.example.org/", client_id = "a" } }"#;
        assert_eq!(from(inline).unwrap()[0].issuer, "https://id.example.org/");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "{}", TABLES.replace("oidc.", "")).unwrap();
        assert_eq!(from(file.path().to_str().unwrap()).unwrap().len(), 2);
    }

    #[test]
    fn wrong_ones_are_refused_without_their_secrets() {
        for text in [
            "/nowhere/oidc.toml",
            r#"{ corp = { issuer = "http://id.example.org", client_id = "a", client_secret = "hunter22" } }"#,
            r#"{ Corp = { issuer = "https://id.example.org", client_id = "a", client_secret = "hunter22" } }"#,
            r#"{ corp = { issuer = "https://id.example.org", client_secret = "hunter22" } }"#,
            r#"{ corp = { issuer = "https://id.example.org", client_id = "a", secret = "hunter22" } }"#,
            r#"{ corp = "#,
        ] {
            let refused = from(text).unwrap_err().to_string();
            assert!(refused.contains("`oidc`") && !refused.contains("hunter22"), "{refused}");
        }
    }
}
