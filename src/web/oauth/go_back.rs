//! The way back to the client, with a code or with the reason why there is none.

use actix_web::{HttpResponse, http::header};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::auth::oauth_clients::redirect;

/// Where an authorization response goes, once that is known to be the client's.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct GoBack {
    /// As the client has sent it.
    pub(super) redirect_uri: String,
    /// What the client wants to see again.
    pub(super) state: Option<String>,
    /// Who answers (RFC 9207): against clients that mix up two servers.
    pub(super) issuer: String,
}

impl GoBack {
    /// With a code.
    pub(super) fn with_code(&self, code: &str) -> HttpResponse {
        self.with(&[("code", code)])
    }

    /// With an error of RFC 6749 section 4.1.2.1.
    pub(super) fn with_error(&self, code: &str, description: &str) -> HttpResponse {
        log::debug!("an authorization request was refused: {code}: {description}");
        self.with(&[("error", code), ("error_description", description)])
    }

    /// 303: the browser is not to send a form on (RFC 9700 section 4.12).
    fn with(&self, members: &[(&str, &str)]) -> HttpResponse {
        let Ok(mut url) = Url::parse(&self.redirect_uri) else {
            return HttpResponse::BadRequest().finish();
        };
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(members);
            if let Some(state) = &self.state {
                query.append_pair("state", state);
            }
            query.append_pair("iss", &self.issuer);
        }
        HttpResponse::SeeOther().insert_header((header::LOCATION, url.as_str())).finish()
    }

    /// Where that is, for a person: the host, or the program's own scheme.
    pub(super) fn place(&self) -> String {
        let url = Url::parse(&self.redirect_uri);
        url.map_or_else(
            |_| String::new(),
            |url| match (url.scheme(), url.host_str()) {
                ("http" | "https", Some(host)) => host.to_owned(),
                (scheme, _) => format!("{scheme}:"),
            },
        )
    }

    /// Where that is, for `form-action` (CSP 3 section 6.4.1).
    pub(super) fn source(&self) -> String {
        Url::parse(&self.redirect_uri).map_or_else(
            |_| String::new(),
            |url| match url.scheme() {
                // A source cannot be an IPv6 address.
                "http" if matches!(url.host(), Some(Host::Ipv6(_))) => "http:".to_owned(),
                "http" | "https" => url.origin().ascii_serialization(),
                scheme => format!("{scheme}:"),
            },
        )
    }

    /// Whether it is a program on the machine of the browser.
    pub(super) fn is_local(&self) -> bool {
        redirect::is_local(&self.redirect_uri)
    }
}
