//! Bundles: received, or fetched from where a `server.json` says that they are.

use std::{sync::Arc, time::Duration};

use actix_web::{http::header, web::Payload};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use url::Url;

use super::refused;
use crate::{
    catalog::import::{Bundle, BundleError, BundleLimits, BundleSource, Found},
    outbound::{Fetcher, Limits, Request},
    web::{
        error::{ApiError, ErrorCode},
        state::AppState,
    },
};

/// For one fetch.
const FETCH_TIME: Duration = Duration::from_secs(120);
/// Redirects that are followed: releases are usually kept somewhere else than they are announced.
const MAX_REDIRECTS: usize = 5;

/// A bundle that has been looked at, and its bytes.
pub(super) struct Packed {
    bundle: Arc<Bundle>,
    bytes: Bytes,
}

/// Whether a body of this type is a bundle.
pub(super) fn is_bundle(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(kind.as_str(), "application/octet-stream" | "application/zip" | "application/x-zip-compressed")
}

/// The whole body, of at most `most` bytes.
pub(super) async fn receive(mut payload: Payload, most: usize) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::new(ErrorCode::MalformedRequest, "the body broke off"))?;
        if bytes.len() + chunk.len() > most {
            let detail =
                format!("a bundle has at most {most} bytes here; the setting `import_max_bytes` says how many");
            return Err(ApiError::new(ErrorCode::PayloadTooLarge, detail));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// Looks at a bundle that somebody sent.
pub(super) async fn look_at(bytes: Bytes, sha256: Option<String>) -> Result<(Found, Packed), ApiError> {
    opened(bytes, sha256).await?.map_err(|error| refused(&error))
}

/// Looks at a bundle on a thread that may take its time.
async fn opened(bytes: Bytes, sha256: Option<String>) -> Result<Result<(Found, Packed), BundleError>, ApiError> {
    let work = move || {
        let mut bundle = Bundle::read(&bytes, sha256.as_deref(), BundleLimits::default())?;
        let nothing = Found { source: String::new(), server: Err(String::new()), alternatives: Vec::new() };
        let found = std::mem::replace(&mut bundle.found, nothing);
        Ok((found, Packed { bundle: Arc::new(bundle), bytes }))
    };
    actix_web::web::block(work).await.map_err(ApiError::internal)
}

/// Fetches what a `server.json` names, and looks at it; the reason why not, for a person.
pub(super) async fn fetched(state: &AppState, source: &BundleSource) -> Result<(Found, Packed), String> {
    let bytes = fetch(&state.fetcher, source.url.clone(), state.config.runtime.import_max_bytes).await?;
    let opened = opened(bytes, Some(source.sha256.clone())).await;
    opened.map_err(|_| "it could not be looked at".to_owned())?.map_err(|error| format!("the bundle: {error}"))
}

async fn fetch(fetcher: &Fetcher, mut url: Url, most: usize) -> Result<Bytes, String> {
    let limits = Limits { time: FETCH_TIME, bytes: most };
    for _ in 0..=MAX_REDIRECTS {
        let response = fetcher.send(Request::get(url.clone()), limits).await;
        let response = response.map_err(|error| format!("the bundle could not be fetched: {error}"))?;
        if response.status.is_success() {
            return Ok(response.body);
        }
        let next = response.headers.get(header::LOCATION.as_str()).and_then(|value| value.to_str().ok());
        let next = next.filter(|_| response.status.is_redirection()).and_then(|next| url.join(next).ok());
        let Some(next) = next else {
            return Err(format!("the bundle could not be fetched: the server answered {}", response.status));
        };
        if url.scheme() == "https" && next.scheme() != "https" {
            return Err(
                "the bundle could not be fetched: it was sent on to a connection that is not protected".to_owned()
            );
        }
        url = next;
    }
    Err(format!("the bundle could not be fetched: it was sent on more than {MAX_REDIRECTS} times"))
}

impl Packed {
    /// Unpacks it into the cache.
    pub(super) async fn keep(&self, state: &AppState) -> Result<(), ApiError> {
        let (installer, bundle, bytes) = (state.installer.clone(), Arc::clone(&self.bundle), self.bytes.clone());
        let kept = actix_web::web::block(move || installer.keep_bundle(&bundle, &bytes, BundleLimits::default())).await;
        kept.map_err(ApiError::internal)?.map_err(|error| refused(&error))
    }
}
