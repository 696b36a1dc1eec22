//! Which browser origins and `Host` headers are ours (transports, "Security Warning": DNS rebinding).

use std::{collections::HashSet, net::SocketAddr};

use actix_web::{HttpRequest, http::header};
use url::Url;

use super::{
    error::{ApiError, ErrorCode},
    state::AppState,
};

/// What is ours.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    origins: HashSet<String>,
    /// Hosts that may be asked for; any when empty.
    hosts: HashSet<String>,
}

impl Allowed {
    /// Our public URL, our address under its local names, and what the operator adds. The `Host`
    /// header is checked only where Berth listens on loopback and no proxy is announced: elsewhere
    /// it is the proxy's to check.
    #[must_use]
    pub fn new(public: &Url, bound: SocketAddr, extra: &[String], behind_proxy: bool) -> Self {
        let port = bound.port();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned(), bound.ip().to_string()];
        let local = names.iter().map(|name| format!("{name}:{port}"));
        let hosts: HashSet<String> =
            if bound.ip().is_loopback() && !behind_proxy { local.clone().collect() } else { HashSet::new() };
        let mut origins: HashSet<String> = local.map(|host| format!("http://{host}")).collect();
        origins.insert(public.origin().ascii_serialization());
        origins.extend(extra.iter().map(|origin| origin.to_lowercase()));
        Self { origins, hosts }
    }

    fn origin(&self, origin: &str) -> bool {
        self.origins.contains(&origin.to_lowercase())
    }

    /// Whether a request may be for this host.
    pub(super) fn host(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.contains(&host.to_lowercase())
    }
}

/// Refuses a request of a foreign page, or one for a host that is not us. Programs that are no browsers
/// send no `Origin`, and pass.
///
/// # Errors
/// 403 with what was refused.
pub fn check(request: &HttpRequest, state: &AppState) -> Result<(), ApiError> {
    let text = |name| request.headers().get(name).map(|value: &header::HeaderValue| value.to_str().unwrap_or("?"));
    if let Some(origin) = text(header::ORIGIN)
        && !state.allowed.origin(origin)
    {
        return Err(ApiError::new(
            ErrorCode::OriginRefused,
            format!("origin {origin} is not allowed; add it to `allowed_origins`"),
        ));
    }
    if let Some(host) = text(header::HOST)
        && !state.allowed.host(host)
    {
        return Err(ApiError::new(
            ErrorCode::OriginRefused,
            format!("host {host} is not this server; set `public_url` when a proxy is in front"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_pass_and_others_do_not() {
        let bound = "127.0.0.1:5000".parse().unwrap();
        let public = Url::parse("https://mcp.example.org").unwrap();
        let allowed = Allowed::new(&public, bound, &["https://app.example.org".to_owned()], false);
        for origin in
            ["http://localhost:5000", "http://127.0.0.1:5000", "https://mcp.example.org", "HTTPS://app.example.org"]
        {
            assert!(allowed.origin(origin), "{origin}");
        }
        for origin in ["http://evil.example", "null", "http://localhost:5001", "https://localhost:5000", ""] {
            assert!(!allowed.origin(origin), "{origin}");
        }
        assert!(allowed.host("localhost:5000") && !allowed.host("evil.example:5000"));
        assert!(Allowed::new(&public, bound, &[], true).host("mcp.example.org"));
    }
}
