//! What clients are told of us: authorization server metadata (RFC 8414) and protected resource metadata
//! (RFC 9728).

use serde::Serialize;

use super::scopes::SUPPORTED;

/// Authorization server metadata. `issuer` is compared text by text, so it has no slash at its end.
#[derive(Serialize)]
pub struct ServerMetadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_endpoint: Option<String>,
    revocation_endpoint: String,
    introspection_endpoint: String,
    device_authorization_endpoint: String,
    scopes_supported: [&'static str; 2],
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 4],
    token_endpoint_auth_methods_supported: [&'static str; 4],
    token_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    revocation_endpoint_auth_methods_supported: [&'static str; 4],
    revocation_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    code_challenge_methods_supported: [&'static str; 1],
    authorization_response_iss_parameter_supported: bool,
    client_id_metadata_document_supported: bool,
    jwks_uri: String,
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
}

/// How clients may prove who they are.
const AUTHENTICATION: [&str; 4] = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];
/// With which signatures.
const SIGNATURES: &[&str] = &["ES256", "ES384", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

impl ServerMetadata {
    /// Ours, as it is under this issuer; with registration or without.
    #[must_use]
    pub fn new(issuer: &str, registration: bool) -> Self {
        let at = |path: &str| format!("{issuer}{path}");
        Self {
            issuer: issuer.to_owned(),
            authorization_endpoint: at("/oauth/authorize"),
            token_endpoint: at("/oauth/token"),
            registration_endpoint: registration.then(|| at("/oauth/register")),
            revocation_endpoint: at("/oauth/revoke"),
            introspection_endpoint: at("/oauth/introspect"),
            device_authorization_endpoint: at("/oauth/device"),
            scopes_supported: SUPPORTED,
            response_types_supported: ["code"],
            response_modes_supported: ["query"],
            grant_types_supported: [
                "authorization_code",
                "refresh_token",
                "client_credentials",
                "urn:ietf:params:oauth:grant-type:device_code",
            ],
            token_endpoint_auth_methods_supported: AUTHENTICATION,
            token_endpoint_auth_signing_alg_values_supported: SIGNATURES,
            revocation_endpoint_auth_methods_supported: AUTHENTICATION,
            revocation_endpoint_auth_signing_alg_values_supported: SIGNATURES,
            code_challenge_methods_supported: ["S256"],
            authorization_response_iss_parameter_supported: true,
            client_id_metadata_document_supported: true,
            // OpenID Connect Discovery section 3 demands these, and clients that read it check; as there is no
            // scope `openid`, there are no id tokens and no keys.
            jwks_uri: at("/.well-known/jwks.json"),
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: ["RS256"],
        }
    }
}

/// Protected resource metadata.
#[derive(Serialize)]
pub struct ResourceMetadata {
    resource: String,
    authorization_servers: [String; 1],
    scopes_supported: [&'static str; 2],
    bearer_methods_supported: [&'static str; 1],
    resource_name: &'static str,
}

impl ResourceMetadata {
    /// That of `resource`, for which this issuer gives tokens.
    #[must_use]
    pub fn new(resource: String, issuer: &str) -> Self {
        Self {
            resource,
            authorization_servers: [issuer.to_owned()],
            scopes_supported: SUPPORTED,
            bearer_methods_supported: ["header"],
            resource_name: "Berth",
        }
    }
}
