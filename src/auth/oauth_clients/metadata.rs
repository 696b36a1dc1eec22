//! What a client says of itself (RFC 7591, section 2): read, bounded, and cut to what is supported here.
//!
//! Members that are not known are passed over, as the RFC asks; those that are known and wrong are refused.

use serde_json::{Map, Value};
use thiserror::Error;
use url::Url;

use super::{
    GrantType, Keys, keys,
    redirect::{self, MAX_URIS},
};

/// Bytes of a client's name.
pub const MAX_NAME: usize = 200;
/// Bytes of any other text.
const MAX_TEXT: usize = 2048;
/// Members that mean nothing here and are only given back.
const FURTHER: [&str; 8] =
    ["application_type", "contacts", "logo_uri", "policy_uri", "scope", "software_id", "software_version", "tos_uri"];

/// How a client proves who it is, by the names of RFC 7591.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Not at all.
    None,
    /// By a secret in the header.
    Basic,
    /// By a secret in the form.
    Post,
    /// By a signature.
    PrivateKeyJwt,
}

impl Method {
    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// From the name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::None, Self::Basic, Self::Post, Self::PrivateKeyJwt].into_iter().find(|method| method.as_str() == name)
    }

    /// Whether it needs a secret.
    #[must_use]
    pub const fn has_secret(self) -> bool {
        matches!(self, Self::Basic | Self::Post)
    }
}

/// What a client says of itself.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// `client_name`.
    pub name: Option<String>,
    /// `redirect_uris`.
    pub redirect_uris: Vec<String>,
    /// `token_endpoint_auth_method`.
    pub method: Method,
    /// `grant_types`, of which those are left that a client may have of its own accord.
    pub grant_types: Vec<GrantType>,
    /// `client_uri`.
    pub homepage: Option<Url>,
    /// `jwks` or `jwks_uri`.
    pub keys: Option<Keys>,
    /// Members that are only given back.
    pub further: Value,
}

/// Why it cannot be accepted.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum MetadataError {
    /// `redirect_uris`.
    #[error("`redirect_uris`: {0}")]
    RedirectUri(String),
    /// Another member.
    #[error("`{member}`: {reason}")]
    Member {
        /// Which.
        member: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
}

impl MetadataError {
    /// The code of RFC 7591, section 3.2.2.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RedirectUri(_) => "invalid_redirect_uri",
            Self::Member { .. } => "invalid_client_metadata",
        }
    }
}

fn wrong(member: &'static str, reason: impl Into<String>) -> MetadataError {
    MetadataError::Member { member, reason: reason.into() }
}

/// Reads the metadata.
///
/// # Errors
/// The first member that is wrong.
pub fn read(document: &Map<String, Value>) -> Result<Metadata, MetadataError> {
    let method = match text(document, "token_endpoint_auth_method", MAX_TEXT)? {
        // RFC 7591, section 2.
        None => Method::Basic,
        Some(name) => Method::named(name).ok_or_else(|| {
            let known = "must be none, client_secret_basic, client_secret_post or private_key_jwt";
            wrong("token_endpoint_auth_method", known)
        })?,
    };
    let grant_types = grant_types(document)?;
    let keys = read_keys(document, method)?;
    let redirect_uris = redirect_uris(document)?;
    if redirect_uris.is_empty() && grant_types.contains(&GrantType::AuthorizationCode) {
        return Err(MetadataError::RedirectUri("at least one is needed".to_owned()));
    }
    Ok(Metadata {
        name: text(document, "client_name", MAX_NAME)?.map(check_name).transpose()?,
        redirect_uris,
        method,
        grant_types,
        homepage: homepage(document)?,
        keys,
        further: further(document)?,
    })
}

/// A name that may be shown on a page: it cannot break a line or turn the direction of text, and so cannot
/// look like words of ours.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<String, MetadataError> {
    let turns =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let name = name.trim();
    if name.is_empty() || name.len() > MAX_NAME || name.chars().any(|c| c.is_control() || turns(c)) {
        return Err(wrong("client_name", format!("must have 1 to {MAX_NAME} bytes and no control characters")));
    }
    Ok(name.to_owned())
}

/// The URIs where answers may be sent, each checked.
///
/// # Errors
/// The first that cannot be accepted.
pub fn check_redirects(uris: Vec<String>) -> Result<Vec<String>, MetadataError> {
    if uris.len() > MAX_URIS {
        return Err(MetadataError::RedirectUri(format!("there may be {MAX_URIS} at most")));
    }
    for uri in &uris {
        let shown: String = uri.chars().take(200).collect();
        redirect::check(uri).map_err(|error| MetadataError::RedirectUri(format!("{shown:?}: {error}")))?;
    }
    Ok(uris)
}

fn redirect_uris(document: &Map<String, Value>) -> Result<Vec<String>, MetadataError> {
    let no_list = || MetadataError::RedirectUri("must be a list of URIs".to_owned());
    let Some(value) = document.get("redirect_uris").filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
    let uris = value.as_array().ok_or_else(no_list)?.iter().map(|uri| uri.as_str().map(str::to_owned));
    check_redirects(uris.collect::<Option<Vec<_>>>().ok_or_else(no_list)?)
}

/// What is supported of what is asked for. Who may get tokens may also refresh them: a client that forgets to
/// ask for that would disconnect its user every hour (RFC 7591, section 2: the server may replace values).
fn grant_types(document: &Map<String, Value>) -> Result<Vec<GrantType>, MetadataError> {
    let asked = match document.get("grant_types").filter(|value| !value.is_null()) {
        None => vec![GrantType::AuthorizationCode],
        Some(value) => {
            let names = value.as_array().ok_or_else(|| wrong("grant_types", "must be a list of names"))?;
            names.iter().filter_map(|name| serde_json::from_value(name.clone()).ok()).collect()
        }
    };
    let mut kept: Vec<GrantType> = Vec::new();
    for grant in [GrantType::AuthorizationCode, GrantType::DeviceCode] {
        if asked.contains(&grant) {
            kept.push(grant);
        }
    }
    if kept.is_empty() {
        let known = "must have authorization_code or urn:ietf:params:oauth:grant-type:device_code; clients with \
                     client_credentials are made by those for whom they act";
        return Err(wrong("grant_types", known));
    }
    kept.push(GrantType::RefreshToken);
    let wants_code = document.get("response_types").and_then(Value::as_array);
    let has_code = wants_code.is_none_or(|types| types.iter().any(|name| name == "code"));
    if kept.contains(&GrantType::AuthorizationCode) && !has_code {
        return Err(wrong("response_types", "must have `code`"));
    }
    Ok(kept)
}

fn read_keys(document: &Map<String, Value>, method: Method) -> Result<Option<Keys>, MetadataError> {
    let inline = document.get("jwks").filter(|value| !value.is_null());
    let found = match (inline, text(document, "jwks_uri", MAX_TEXT)?) {
        (Some(_), Some(_)) => return Err(wrong("jwks", "comes with `jwks_uri`; give one of the two")),
        (Some(jwks), None) => Some(Keys::Inline(keys::read(jwks).map_err(|reason| wrong("jwks", reason))?.into())),
        (None, Some(uri)) => Some(Keys::At(keys::check_uri(uri).map_err(|reason| wrong("jwks_uri", reason))?)),
        (None, None) => None,
    };
    if method == Method::PrivateKeyJwt && found.is_none() {
        return Err(wrong("jwks", "private_key_jwt needs `jwks` or `jwks_uri`"));
    }
    Ok(found)
}

fn homepage(document: &Map<String, Value>) -> Result<Option<Url>, MetadataError> {
    let Some(uri) = text(document, "client_uri", MAX_TEXT)? else { return Ok(None) };
    check_homepage(uri).map(Some)
}

/// A page of a client: it becomes a link.
///
/// # Errors
/// When it is no page on the web.
pub fn check_homepage(uri: &str) -> Result<Url, MetadataError> {
    let url = Url::parse(uri).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    url.ok_or_else(|| wrong("client_uri", "must be an https URL"))
}

fn further(document: &Map<String, Value>) -> Result<Value, MetadataError> {
    let mut kept = Map::new();
    for member in FURTHER {
        let Some(value) = document.get(member).filter(|value| !value.is_null()) else { continue };
        let short = |value: &Value| value.as_str().is_some_and(|text| text.len() <= MAX_TEXT);
        let fits = match value {
            Value::Array(items) if member == "contacts" => items.len() <= 10 && items.iter().all(short),
            value => member != "contacts" && short(value),
        };
        if !fits {
            return Err(wrong(member, format!("must be text of at most {MAX_TEXT} bytes; contacts a list of such")));
        }
        kept.insert(member.to_owned(), value.clone());
    }
    Ok(Value::Object(kept))
}

fn text<'a>(
    document: &'a Map<String, Value>,
    member: &'static str,
    most: usize,
) -> Result<Option<&'a str>, MetadataError> {
    match document.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= most => Ok(Some(text)),
        Some(_) => Err(wrong(member, format!("must be text of at most {most} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_json(value: &Value) -> Result<Metadata, MetadataError> {
        read(value.as_object().unwrap())
    }

    #[test]
    fn what_is_not_said_is_as_the_rfc_says() {
        let plain = read_json(&json!({ "redirect_uris": ["https://a.example/cb"], "x_unknown": [1] })).unwrap();
        assert_eq!(plain.method, Method::Basic);
        assert_eq!(plain.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
        assert_eq!((plain.name, plain.homepage, plain.further), (None, None, json!({})));
    }

    #[test]
    fn what_is_not_supported_is_cut_away() {
        let cut = read_json(&json!({
            "client_name": " Tool ", "redirect_uris": ["http://localhost/cb"], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "implicit", "client_credentials", "password"],
            "response_types": ["code", "token"], "application_type": "native", "contacts": ["a@b.example"],
            "client_uri": "https://a.example", "software_statement": "eyJ",
        }));
        let cut = cut.unwrap();
        assert_eq!(cut.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
        assert_eq!(cut.name.as_deref(), Some("Tool"));
        assert_eq!(cut.further, json!({ "application_type": "native", "contacts": ["a@b.example"] }));
        let device = json!({ "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"] });
        assert_eq!(read_json(&device).unwrap().grant_types, [GrantType::DeviceCode, GrantType::RefreshToken]);
    }

    #[test]
    fn what_is_wrong_is_refused_by_its_name() {
        let with = |member: &str, value: Value| {
            let mut document = json!({ "redirect_uris": ["https://a.example/cb"] });
            document[member] = value;
            document
        };
        let key = json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] });
        let cases = [
            (json!({}), "`redirect_uris`"),
            (with("redirect_uris", json!([])), "`redirect_uris`"),
            (with("redirect_uris", json!("https://a.example")), "`redirect_uris`"),
            (with("redirect_uris", json!([1])), "`redirect_uris`"),
            (with("redirect_uris", json!(["javascript:1"])), "`redirect_uris`"),
            (with("redirect_uris", json!(vec!["https://a.example/"; 11])), "`redirect_uris`"),
            (with("client_name", json!("x".repeat(201))), "`client_name`"),
            (with("client_name", json!("")), "`client_name`"),
            (with("client_name", json!("a\u{202e}b")), "`client_name`"),
            (with("client_name", json!("a\nb")), "`client_name`"),
            (with("client_name", json!(1)), "`client_name`"),
            (with("client_uri", json!("javascript:1")), "`client_uri`"),
            (with("token_endpoint_auth_method", json!("client_secret_jwt")), "`token_endpoint_auth_method`"),
            (with("token_endpoint_auth_method", json!("private_key_jwt")), "`jwks`"),
            (with("jwks", key), "`jwks`"),
            (with("jwks_uri", json!("http://a.example/keys")), "`jwks_uri`"),
            (with("grant_types", json!(["client_credentials"])), "`grant_types`"),
            (with("grant_types", json!("authorization_code")), "`grant_types`"),
            (with("response_types", json!(["token"])), "`response_types`"),
            (with("contacts", json!("a@b.example")), "`contacts`"),
            (with("logo_uri", json!("x".repeat(3000))), "`logo_uri`"),
        ];
        for (document, member) in cases {
            let error = read_json(&document).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.starts_with(member), "{document}: {error}");
        }
    }
}
