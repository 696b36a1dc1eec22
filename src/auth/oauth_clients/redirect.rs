//! Where a client may have answers sent: which URIs it may name beforehand, and which it may then use.

use thiserror::Error;
use url::{Host, Url};

/// URIs that one client may name.
pub const MAX_URIS: usize = 10;
/// Bytes of one of them.
pub const MAX_BYTES: usize = 2048;

/// Schemes that mean something in a browser, and so cannot be a program's own (RFC 8252, section 7.1, asks
/// for names under the program's control; programs in use say `cursor:` and `vscode:`, so we ask for less).
const FOREIGN: [&str; 18] = [
    "javascript",
    "data",
    "file",
    "blob",
    "about",
    "ftp",
    "ws",
    "wss",
    "view-source",
    "filesystem",
    "vbscript",
    "mailto",
    "tel",
    "sms",
    "chrome",
    "chrome-extension",
    "resource",
    "jar",
];

/// Why a URI is no place for answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RedirectError {
    /// It cannot be read.
    #[error("it is not an absolute URI of at most {MAX_BYTES} bytes without spaces")]
    Form,
    /// RFC 6749, section 3.1.2.
    #[error("it has a fragment")]
    Fragment,
    /// It carries a name or a password.
    #[error("it has a user name or a password")]
    UserInfo,
    /// Plain HTTP that leaves the machine.
    #[error("http is for 127.0.0.1, [::1] and localhost only; use https")]
    Plain,
    /// A scheme that belongs to the browser.
    #[error("its scheme is not one that a program can own; use https, or a scheme of the program's own")]
    Scheme,
    /// No host where there must be one.
    #[error("it has no host")]
    Host,
}

/// Checks a URI that a client names as one of its own.
///
/// # Errors
/// What is wrong with it.
pub fn check(uri: &str) -> Result<(), RedirectError> {
    let strange = |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii() || c == '\\';
    if uri.len() > MAX_BYTES || uri.contains(strange) {
        return Err(RedirectError::Form);
    }
    let url = Url::parse(uri).map_err(|_| RedirectError::Form)?;
    if url.fragment().is_some() {
        return Err(RedirectError::Fragment);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(RedirectError::UserInfo);
    }
    match url.scheme() {
        // `Url` forgives `https:host`; a browser that does not would go elsewhere.
        "https" | "http" if !uri.contains("://") || !url.has_host() => Err(RedirectError::Host),
        "https" => Ok(()),
        "http" if url.host().is_some_and(|host| is_loopback(&host)) => Ok(()),
        "http" => Err(RedirectError::Plain),
        scheme if FOREIGN.contains(&scheme) => Err(RedirectError::Scheme),
        _ => Ok(()),
    }
}

/// Whether a client that has named `registered` may have answers sent to `asked`: the very same text, but
/// for the port of a loopback address (RFC 8252, section 7.3; OAuth 2.1, section 2.3.1), which programs on
/// the user's machine choose as they start. `localhost` counts, as programs in use name it.
#[must_use]
pub fn matches(registered: &str, asked: &str) -> bool {
    if registered == asked {
        return true;
    }
    match (split_loopback(registered), split_loopback(asked)) {
        (Some(registered), Some(asked)) => registered == asked,
        _ => false,
    }
}

/// Whether the URI leads to the machine of the user's browser over plain HTTP.
#[must_use]
pub fn is_local(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| url.scheme() == "http" && url.host().is_some_and(|host| is_loopback(&host)))
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => name.eq_ignore_ascii_case("localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Host and what follows the port of a URI on loopback.
fn split_loopback(uri: &str) -> Option<(&'static str, &str)> {
    const HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];
    let rest = uri.strip_prefix("http://")?;
    let (host, rest) = HOSTS.iter().find_map(|host| Some((*host, rest.strip_prefix(host)?)))?;
    let Some(port) = rest.strip_prefix(':') else {
        return (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest));
    };
    let digits = port.bytes().take_while(u8::is_ascii_digit).count();
    let (number, tail) = port.split_at(digits);
    let whole = number.parse::<u16>().is_ok() && (tail.is_empty() || tail.starts_with(['/', '?']));
    whole.then_some((host, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_name_these() {
        for uri in [
            "https://app.example.org/callback",
            "https://app.example.org",
            "https://app.example.org:8443/cb?x=1",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:33418/",
            "http://[::1]:1/cb",
            "http://localhost:8080/cb",
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "vscode://vscode.github-authentication/did-authenticate",
            "com.example.app:/oauth2redirect",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn and_not_these() {
        let long = format!("https://a.example/{}", "x".repeat(MAX_BYTES));
        let cases = [
            ("", RedirectError::Form),
            ("/callback", RedirectError::Form),
            ("https://a.example/ b", RedirectError::Form),
            ("https://a.example\\@b.example/", RedirectError::Form),
            ("https://ä.example/", RedirectError::Form),
            (&long, RedirectError::Form),
            ("https://a.example/#x", RedirectError::Fragment),
            ("https://a.example/#", RedirectError::Fragment),
            ("cursor://x/#y", RedirectError::Fragment),
            ("https://user@a.example/", RedirectError::UserInfo),
            ("https://user:pw@a.example/", RedirectError::UserInfo),
            ("https:a.example/cb", RedirectError::Host),
            ("http://a.example/", RedirectError::Plain),
            ("http://127.0.0.1.evil.example/", RedirectError::Plain),
            ("http://10.0.0.1/", RedirectError::Plain),
            ("http://localhost.evil.example/", RedirectError::Plain),
            ("javascript:alert(1)", RedirectError::Scheme),
            ("JavaScript:alert(1)", RedirectError::Scheme),
            ("data:text/html,x", RedirectError::Scheme),
            ("file:///etc/passwd", RedirectError::Scheme),
            ("blob:https://a.example/1", RedirectError::Scheme),
            ("about:blank", RedirectError::Scheme),
            ("ftp://a.example/", RedirectError::Scheme),
            ("wss://a.example/", RedirectError::Scheme),
        ];
        for (uri, error) in cases {
            assert_eq!(check(uri), Err(error), "{uri}");
        }
    }

    #[test]
    fn answers_go_to_the_very_uri_but_for_a_loopback_port() {
        let cases = [
            ("https://a.example/cb", "https://a.example/cb", true),
            ("https://a.example/cb", "https://a.example/cb/", false),
            ("https://a.example/cb", "https://a.example/cb?x=1", false),
            ("https://a.example/cb", "https://a.example:443/cb", false),
            ("https://a.example/cb", "https://A.example/cb", false),
            ("https://a.example/cb", "https://a.example/cb/../x", false),
            ("https://a.example/cb", "https://a.example:8443/cb", false),
            ("https://a.example/cb", "https://evil.example/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:65536/cb", false),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:/cb", false),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb?x", false),
            ("http://127.0.0.1:1/cb?x", "http://127.0.0.1:2/cb?x", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/other", false),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2@evil.example/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", false),
            ("http://127.0.0.1/cb", "http://localhost/cb", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1:1/cb", false),
            ("http://[::1]:1/cb", "http://[::1]:2/cb", true),
            ("http://localhost:1/cb", "http://localhost:2/cb", true),
            ("http://localhost:1/cb", "http://localhostevil:2/cb", false),
            ("cursor://x:1/cb", "cursor://x:2/cb", false),
        ];
        for (registered, asked, expected) in cases {
            assert_eq!(matches(registered, asked), expected, "{registered} {asked}");
        }
    }
}
