//! Where clients find out about us: RFC 8414, OpenID Connect Discovery, RFC 9728, in every form they try.
//!
//! Nothing is looked up: an instance that is not there has the same metadata as one that is.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use url::Url;

use super::{base_url, issuer};
use crate::{
    auth::oauth::{
        metadata::{ResourceMetadata, ServerMetadata},
        resource::is_endpoint,
    },
    config::Registration,
    web::{
        error::{ApiError, ErrorCode},
        state::AppState,
    },
};

/// Where the server's metadata are: at the root, with our path after the name (RFC 8414 section 3.1) or before
/// it (OpenID Connect Discovery section 4.1).
pub const SERVER_PATHS: [&str; 6] = [
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/{tail:.*}",
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/{tail:.*}",
    "/{tail:.*}/.well-known/openid-configuration",
    "/{tail:.*}/.well-known/oauth-authorization-server",
];

/// Authorization server metadata. For paths that are not ours there are none: a client must refuse those
/// whose issuer is not what it asked for, and looks at the root when it finds nothing.
pub async fn server(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let base = base_url(&request, &state);
    let tail = request.match_info().get("tail").unwrap_or_default().trim_matches('/');
    if !tail.is_empty() && tail != base.path().trim_matches('/') {
        return Err(ApiError::new(ErrorCode::NotFound, "this is not the path of an authorization server"));
    }
    let registration = state.config.clients.registration == Registration::Open;
    Ok(HttpResponse::Ok().json(ServerMetadata::new(&issuer(&base), registration)))
}

/// The keys of id tokens, of which we give none.
pub async fn keys() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "keys": [] }))
}

/// Metadata of an instance's endpoint, or of the gateway as a whole.
pub async fn resource(request: HttpRequest, state: Data<AppState>) -> Result<HttpResponse, ApiError> {
    let base = base_url(&request, &state);
    let asked = request.path().trim_start_matches("/.well-known/oauth-protected-resource");
    let resource = resource_of(&base, asked)
        .ok_or_else(|| ApiError::new(ErrorCode::NotFound, "metadata are there for …/mcp and …/sse of an instance"))?;
    Ok(HttpResponse::Ok().json(ResourceMetadata::new(resource, &issuer(&base))))
}

/// The very URL whose path was put behind the name (RFC 9728 section 3.1). A proxy that serves us below a path
/// may have taken that away or not.
fn resource_of(base: &Url, asked: &str) -> Option<String> {
    let below = base.path().trim_end_matches('/');
    let path = asked.strip_prefix(below).filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(asked);
    if path.trim_matches('/').is_empty() {
        return Some(issuer(base));
    }
    is_endpoint(path).then(|| format!("{}{path}", issuer(base)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_is_what_was_asked_for() {
        let root = Url::parse("https://gw.example").unwrap();
        let deep = Url::parse("https://gw.example/mcps").unwrap();
        let cases = [
            (&root, "", Some("https://gw.example")),
            (&root, "/", Some("https://gw.example")),
            (&root, "/s/x/mcp", Some("https://gw.example/s/x/mcp")),
            (&root, "/s/x/sse/", Some("https://gw.example/s/x/sse/")),
            (&root, "/s/x/api", None),
            (&root, "/s/x", None),
            (&deep, "/mcps", Some("https://gw.example/mcps")),
            (&deep, "/mcps/s/x/mcp", Some("https://gw.example/mcps/s/x/mcp")),
            (&deep, "/s/x/mcp", Some("https://gw.example/mcps/s/x/mcp")),
            (&deep, "/mcpsx/x/mcp", Some("https://gw.example/mcps/mcpsx/x/mcp")),
        ];
        for (base, asked, expected) in cases {
            assert_eq!(resource_of(base, asked).as_deref(), expected, "{base} {asked}");
        }
    }
}
