//! How a manifest says that a credential is tried at the service before it is stored.
//!
//! `check = "https://api.example.com/me"` is short for `check = { url = "…" }`: a GET with the credential, where any
//! 2xx means that it is good.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};
use url::Url;

use super::{ManifestError, addresses::outside_url};

/// One request that tells whether a credential is good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CredentialCheck {
    /// Where; `{env.NAME}` is filled with the manifest's variable of that name, so that another base URL there is
    /// another one here.
    pub url: String,
    /// How. Default GET.
    #[serde(skip_serializing_if = "CheckMethod::is_default")]
    pub method: CheckMethod,
    /// The header that carries the credential. Default the credential's own `header` where that is one of the outside
    /// API (and not `X-Berth-…`, which is for the process alone), else `Authorization`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// What that header holds, with `{credential}` in it. Default: as the credential's kind is usually sent there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// What a good answer is.
    #[serde(skip_serializing_if = "Expectation::is_default")]
    pub expect: Expectation,
    /// Where in a JSON answer the service says why not: a JSON pointer (RFC 6901), or the name of a member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a check asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CheckMethod {
    /// GET.
    #[default]
    Get,
    /// HEAD.
    Head,
    /// POST without a body.
    Post,
}

impl CheckMethod {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a good answer is. Both must hold where both are there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expectation {
    /// The status. Default any 2xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A member of a JSON answer that must be `true`, as a pointer or by its name: some services answer 200 to
    /// everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

impl Expectation {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl CredentialCheck {
    /// The plain form: a GET at `url`.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            method: CheckMethod::default(),
            header: None,
            scheme: None,
            expect: Expectation::default(),
            reason: None,
        }
    }

    /// The URL with the manifest's variables in it.
    ///
    /// # Errors
    /// When that is no http or https URL with a host.
    pub fn url_with(&self, env: &BTreeMap<String, String>) -> Result<Url, ManifestError> {
        outside_url("credential.check.url", &self.url, env)
    }

    /// Checks what types cannot say.
    pub(super) fn validate(&self, env: &BTreeMap<String, String>) -> Result<(), ManifestError> {
        self.url_with(env)?;
        if self.header.as_ref().is_some_and(|name| !is_header_name(name)) {
            return Err(ManifestError::new("credential.check.header", "must be the name of an HTTP header"));
        }
        if self.scheme.as_ref().is_some_and(|scheme| !scheme.contains("{credential}")) {
            let reason = "must hold {credential}, such as \"Bearer {credential}\"";
            return Err(ManifestError::new("credential.check.scheme", reason));
        }
        if self.expect.status.is_some_and(|status| !(100..600).contains(&status)) {
            return Err(ManifestError::new("credential.check.expect.status", "must be a status of HTTP, such as 200"));
        }
        if self.method == CheckMethod::Head && (self.reason.is_some() || self.expect.field.is_some()) {
            let reason = "must be GET or POST where `reason` or `expect.field` is read: an answer to HEAD has no body";
            return Err(ManifestError::new("credential.check.method", reason));
        }
        Ok(())
    }
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

impl<'de> Deserialize<'de> for CredentialCheck {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UrlOrTable)
    }
}

/// Not an untagged enum: that would not name the member that is wrong.
struct UrlOrTable;

impl<'de> Visitor<'de> for UrlOrTable {
    type Value = CredentialCheck;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a URL, or a table {url, method?, header?, scheme?, expect?, reason?}")
    }

    fn visit_str<E: de::Error>(self, url: &str) -> Result<CredentialCheck, E> {
        Ok(CredentialCheck::at(url))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CredentialCheck, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            url: String,
            #[serde(default)]
            method: CheckMethod,
            header: Option<String>,
            scheme: Option<String>,
            #[serde(default)]
            expect: Expectation,
            reason: Option<String>,
        }
        let Table { url, method, header, scheme, expect, reason } =
            Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(CredentialCheck { url, method, header, scheme, expect, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> BTreeMap<String, String> {
        BTreeMap::from([("API".to_owned(), "https://api.example.com".to_owned())])
    }

    #[test]
    fn a_url_or_a_table() {
        #[derive(Deserialize)]
        struct Holder {
            check: CredentialCheck,
        }
        let read = |text: &str| toml::from_str::<Holder>(text).map(|holder| holder.check).map_err(|e| e.to_string());
        assert_eq!(read("check = 'https://a.b/c'").unwrap(), CredentialCheck::at("https://a.b/c"));
        let table = "check = { url = '{env.API}/auth.test', method = 'POST', header = 'X-Key', scheme = 'k {credential}', \
                     expect = { status = 200, field = 'ok' }, reason = '/error' }";
        let check = read(table).unwrap();
        assert_eq!((check.method, check.expect.field.as_deref()), (CheckMethod::Post, Some("ok")));
        assert_eq!(check.url_with(&env()).unwrap().as_str(), "https://api.example.com/auth.test");
        check.validate(&env()).unwrap();
        let again: CredentialCheck = serde_json::from_value(serde_json::to_value(&check).unwrap()).unwrap();
        assert_eq!(again, check);
        for (text, expected) in [
            ("check = 1", "a URL, or a table"),
            ("check = { method = 'GET' }", "missing field `url`"),
            ("check = { url = 'https://a.b', methd = 'GET' }", "unknown field `methd`"),
            ("check = { url = 'https://a.b', method = 'DELETE' }", "unknown variant `DELETE`"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(expected), "{text}: {told}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_field() {
        let at = CredentialCheck::at;
        let good = "https://a.b/";
        let cases = [
            (at("ftp://a.b/"), "credential.check.url"),
            (at("{env.OTHER}/x"), "credential.check.url"),
            (CredentialCheck { header: Some("a b".to_owned()), ..at(good) }, "credential.check.header"),
            (CredentialCheck { scheme: Some("Bearer".to_owned()), ..at(good) }, "credential.check.scheme"),
            (
                CredentialCheck { expect: Expectation { status: Some(42), field: None }, ..at(good) },
                "credential.check.expect.status",
            ),
            (
                CredentialCheck { method: CheckMethod::Head, reason: Some("x".to_owned()), ..at(good) },
                "credential.check.method",
            ),
        ];
        for (check, field) in cases {
            assert_eq!(check.validate(&env()).unwrap_err().field, field, "{check:?}");
        }
    }
}
