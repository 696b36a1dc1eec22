//! Clients whose id is the URL of a document that describes them (draft-ietf-oauth-client-id-metadata-document;
//! MCP, "Client ID Metadata Documents").

use serde_json::Value;
use url::Url;

use super::{
    ClientAuthentication, ClientOrigin, OAuthClient,
    metadata::{self, Method},
};
use crate::config::Hosts;

/// Whether an id is meant as the URL of a document.
pub(super) fn is_meant(id: &str) -> bool {
    id.starts_with("https://")
}

/// The URL of the document, given that the id is one in its only form (section 3 of the draft): what is compared
/// text by text must not have two spellings.
///
/// # Errors
/// What is wrong with it.
pub(super) fn url(id: &str, hosts: &Hosts) -> Result<Url, &'static str> {
    let url = Url::parse(id).map_err(|_| "the id is not a URL")?;
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if url.scheme() != "https" || !plain || url.path() == "/" || url.as_str() != id {
        return Err("the id must be an https URL with a path, in its normal form, without user, password and fragment");
    }
    if !hosts.contain(url.host_str().unwrap_or_default()) {
        return Err(
            "documents of this host are not accepted here; an administrator may add it to `client_document_hosts`",
        );
    }
    Ok(url)
}

/// The client that a document describes.
///
/// # Errors
/// What is wrong with the document.
pub(super) fn read(id: &str, document: &Value) -> Result<OAuthClient, String> {
    let document = document.as_object().ok_or("it is not a JSON object")?;
    if document.get("client_id").and_then(Value::as_str) != Some(id) {
        return Err("its `client_id` is not its own URL".to_owned());
    }
    if ["client_secret", "client_secret_expires_at"].iter().any(|member| document.contains_key(*member)) {
        return Err("it has a secret, which everybody can read".to_owned());
    }
    let mut document = document.clone();
    // Public unless it says otherwise: there is nothing to share.
    document.entry("token_endpoint_auth_method").or_insert_with(|| "none".into());
    let described = metadata::read(&document).map_err(|error| error.to_string())?;
    if described.redirect_uris.is_empty() {
        return Err("`redirect_uris`: at least one is needed".to_owned());
    }
    let authentication = match (described.method, described.keys) {
        (Method::None, _) => ClientAuthentication::None,
        (Method::PrivateKeyJwt, Some(jwks)) => ClientAuthentication::Keys { jwks },
        _ => return Err("`token_endpoint_auth_method`: must be none or private_key_jwt in a document".to_owned()),
    };
    Ok(OAuthClient {
        id: id.to_owned(),
        name: described.name.ok_or("`client_name` is missing")?,
        redirect_uris: described.redirect_uris,
        origin: ClientOrigin::Document,
        authentication,
        grant_types: described.grant_types,
        homepage: described.homepage,
        owner: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ids_have_one_form() {
        let any = Hosts::default();
        for id in ["https://app.example/client.json", "https://app.example:8443/c", "https://app.example/a?b"] {
            assert!(url(id, &any).is_ok(), "{id}");
        }
        for id in [
            "https://app.example",
            "https://app.example/",
            "https://app.example/a/../b",
            "https://APP.example/c",
            "https://app.example:443/c",
            "https://u@app.example/c",
            "https://u:p@app.example/c",
            "https://app.example/c#x",
            "https://app.example/ä",
            "http://app.example/c",
            "https:///c",
            "https://",
            "https://app.example/./c",
            "https://127.1/c",
        ] {
            assert!(url(id, &any).is_err(), "{id}");
        }
        let few: Hosts = "app.example".parse().unwrap();
        assert!(url("https://app.example/c", &few).is_ok());
        assert!(url("https://other.example/c", &few).is_err());
    }

    #[test]
    fn documents_describe_their_own_client_and_share_no_secret() {
        let id = "https://app.example/client.json";
        let whole = json!({ "client_id": id, "client_name": "App", "redirect_uris": ["https://app.example/cb"] });
        let client = read(id, &whole).unwrap();
        assert!(matches!(client.authentication, ClientAuthentication::None));
        assert!(client.accepts_redirect("https://app.example/cb") && client.origin == ClientOrigin::Document);
        let but = |member: &str, value: Value| {
            let mut document = whole.clone();
            document[member] = value;
            document
        };
        for wrong in [
            json!([]),
            but("client_id", json!("https://app.example/client.json?")),
            but("client_id", Value::Null),
            but("client_name", Value::Null),
            but("redirect_uris", Value::Null),
            but("redirect_uris", json!(["javascript:1"])),
            but("client_secret", json!("s")),
            but("client_secret_expires_at", json!(0)),
            but("token_endpoint_auth_method", json!("client_secret_basic")),
            but("token_endpoint_auth_method", json!("client_secret_post")),
            but("token_endpoint_auth_method", json!("private_key_jwt")),
        ] {
            assert!(read(id, &wrong).is_err(), "{wrong}");
        }
    }
}
