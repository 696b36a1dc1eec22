//! Requests beside the MCP endpoint (`…/api/*`, `…/health`), and answers handed on as they come.

use std::time::Duration;

use awc::{ClientResponse, http::Method};
use bytes::Bytes;
use futures_util::{StreamExt, stream::LocalBoxStream};

use super::{HttpTarget, SESSION_HEADER, repeat::Repeat, unreachable};
use crate::mcp::error::UpstreamError;

/// Headers that concern one hop only (RFC 9110 section 7.6.1), that the receiving side sets itself,
/// or that must not cross the gateway: credentials of ours towards the child, cookies of its towards us.
const NOT_PASSED: [&str; 19] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
    "origin",
    "referer",
    "content-length",
    "authorization",
    "cookie",
    "set-cookie",
    "x-csrf-token",
    "expect",
    SESSION_HEADER,
];

/// An HTTP answer that is passed through.
pub struct Relay {
    /// Its status.
    pub status: u16,
    /// Its headers, without those that belong to the hop.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its length, where it is known.
    pub length: Option<u64>,
    /// Its body.
    pub body: LocalBoxStream<'static, Result<Bytes, UpstreamError>>,
}

/// One request to pass on.
pub struct PassRequest {
    /// Its method.
    pub method: String,
    /// Path and query below the child's origin.
    pub path: String,
    /// Its headers; those that must not pass are left out.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Bytes,
}

/// Sends `request` to the child at `target` and hands back its answer.
///
/// # Errors
/// When the method is not one, or the child cannot be reached within `timeout`.
pub async fn pass(target: &HttpTarget, request: PassRequest, timeout: Duration) -> Result<Relay, UpstreamError> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| unreachable(&error))?;
    let PassRequest { path, headers, body, .. } = request;
    let make = |client: &awc::Client, url: &str| {
        let out = client.request(method.clone(), url).timeout(timeout);
        let passed = headers.iter().filter(|(name, _)| passes(name));
        passed.fold(out, |out, (name, value)| out.append_header((name.as_str(), value.as_slice())))
    };
    let response = target.send(&path, make, body, Repeat::of_verb(method.as_str())).await?;
    Ok(relay(response))
}

fn relay(response: ClientResponse) -> Relay {
    let headers = response.headers().iter().filter(|(name, _)| passes(name.as_str()));
    Relay {
        status: response.status().as_u16(),
        headers: headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect(),
        length: super::length_of(&response),
        body: response.map(|chunk| chunk.map_err(|error| unreachable(&error))).boxed_local(),
    }
}

/// What the gateway says itself begins so.
const OURS: &str = "x-berth-";

fn passes(name: &str) -> bool {
    let is_ours = name.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS));
    !is_ours && !NOT_PASSED.iter().any(|held| name.eq_ignore_ascii_case(held))
}

#[cfg(test)]
mod tests {
    use super::passes;

    #[test]
    fn secrets_and_hop_headers_stay_here() {
        for name in ["Authorization", "cookie", "Transfer-Encoding", "Mcp-Session-Id", "HOST", "X-Berth-Instance"] {
            assert!(!passes(name), "{name}");
        }
        for name in ["content-type", "Mcp-Param-Region", "x-anything", "x-berthold", "etag"] {
            assert!(passes(name), "{name}");
        }
    }
}
