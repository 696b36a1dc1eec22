//! What is fetched of clients: documents and keys, remembered for as long as their servers say.
//!
//! Owner of state: [`Store`]. Invariants: at most 1000 entries; whoever asks for a URL that is being fetched
//! waits for that one answer; a failure is remembered, too, but not for long.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use moka::{Expiry, future::Cache};
use serde_json::Value;
use tokio::sync::Semaphore;
use url::Url;

use crate::outbound::{FetchError, Fetcher, Limits, Request};

/// Entries of a store.
const MAX_ENTRIES: u64 = 1000;
/// Fetches at a time, over all stores: nobody may have us ask the whole world at once.
const MAX_FETCHES: usize = 32;
/// How long failures are remembered.
const FAILED: Duration = Duration::from_secs(30);
/// How long what says nothing of it.
const USUAL: Duration = Duration::from_secs(600);
/// At least, and at most.
const BOUNDS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(86_400));
/// Of one answer.
const LIMITS: Limits = Limits { time: Duration::from_secs(5), bytes: 64 << 10 };

/// One answer, or why there is none, and for how long that holds.
struct Fetched<T> {
    outcome: Result<Arc<T>, Arc<str>>,
    keep: Duration,
}

impl<T> Clone for Fetched<T> {
    fn clone(&self) -> Self {
        Self { outcome: self.outcome.clone(), keep: self.keep }
    }
}

struct AsItSays;

impl<T> Expiry<Arc<str>, Fetched<T>> for AsItSays {
    fn expire_after_create(&self, _: &Arc<str>, fetched: &Fetched<T>, _: std::time::Instant) -> Option<Duration> {
        Some(fetched.keep)
    }
}

/// Fetches JSON, for all stores.
pub(super) struct Source {
    fetcher: Fetcher,
    places: Semaphore,
}

impl Source {
    pub(super) fn new(fetcher: Fetcher) -> Self {
        Self { fetcher, places: Semaphore::new(MAX_FETCHES) }
    }

    /// The JSON there, and how long it may be remembered. What went wrong is said in so few kinds that nobody
    /// learns by it what there is in our network.
    async fn fetch(&self, url: Url) -> Result<(Value, Duration), String> {
        let _place = self.places.try_acquire().map_err(|_| "too much is being fetched now; try again".to_owned())?;
        let request = Request::get(url.clone())
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .header(header::USER_AGENT, HeaderValue::from_static(concat!("berth/", env!("CARGO_PKG_VERSION"))));
        let response = self.fetcher.send(request, LIMITS).await.map_err(|error| {
            log::info!("{url} was not fetched: {error}");
            coarse(&error)
        })?;
        if response.status != StatusCode::OK {
            return Err(format!(
                "its server answered {}, not 200; redirects are not followed",
                response.status.as_u16()
            ));
        }
        if !is_json(&response.headers) {
            return Err("its Content-Type is not application/json".to_owned());
        }
        let value = serde_json::from_slice(&response.body).map_err(|_| "it is not JSON".to_owned())?;
        Ok((value, lifetime(&response.headers)))
    }
}

fn coarse(error: &FetchError) -> String {
    match error {
        FetchError::Url => "it is at no URL that can be fetched".to_owned(),
        FetchError::Refused(_) | FetchError::Failed(_) | FetchError::TimedOut(_) => {
            "its server cannot be reached from here, or may not be; the log says why".to_owned()
        }
        FetchError::TooLarge(bytes) => format!("it has more than {bytes} bytes"),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// By `Cache-Control` (RFC 9111, section 5.2.2), within bounds.
fn lifetime(headers: &HeaderMap) -> Duration {
    let (least, most) = BOUNDS;
    let mut found = USUAL;
    for directive in headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok()) {
        for directive in directive.split(',').map(|one| one.trim().to_ascii_lowercase()) {
            match directive.split_once('=') {
                None if directive == "no-store" || directive == "no-cache" => return least,
                Some(("max-age", seconds)) => {
                    let seconds = seconds.trim_matches('"').parse().unwrap_or(0);
                    found = Duration::from_secs(seconds);
                }
                _ => {}
            }
        }
    }
    found.clamp(least, most)
}

/// What was made of the JSON at URLs.
pub(super) struct Store<T> {
    cache: Cache<Arc<str>, Fetched<T>>,
    /// What is remembered is fetched anew after this long, whatever its server says.
    most: Duration,
}

impl<T: Send + Sync + 'static> Store<T> {
    pub(super) fn new(most: Duration) -> Self {
        Self { cache: Cache::builder().max_capacity(MAX_ENTRIES).expire_after(AsItSays).build(), most }
    }

    /// What `read` makes of the JSON at `url`; it is called once for all who wait.
    pub(super) async fn get(
        &self,
        source: &Source,
        url: &Url,
        read: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Result<Arc<T>, Arc<str>> {
        let fetch = async {
            let read = source.fetch(url.clone()).await.and_then(|(value, keep)| Ok((read(&value)?, keep)));
            match read {
                Ok((value, keep)) => Fetched { outcome: Ok(Arc::new(value)), keep: keep.min(self.most) },
                Err(reason) => Fetched { outcome: Err(reason.into()), keep: FAILED },
            }
        };
        self.cache.get_with(url.as_str().into(), fetch).await.outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn is_remembered_as_long_as_the_server_says_within_bounds() {
        let cases = [
            ("max-age=3600", 3600),
            ("public, Max-Age=\"7200\"", 7200),
            ("max-age=1", 60),
            ("max-age=999999999", 86_400),
            ("max-age=x", 60),
            ("no-store", 60),
            ("max-age=3600, no-cache", 60),
            ("private", 600),
        ];
        for (text, seconds) in cases {
            assert_eq!(lifetime(&headers(&[(header::CACHE_CONTROL, text)])).as_secs(), seconds, "{text}");
        }
        assert_eq!(lifetime(&HeaderMap::new()), USUAL);
    }

    #[test]
    fn only_json_is_read() {
        for (text, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/oauth-client+json", true),
            ("text/html", false),
            ("text/json", false),
            ("", false),
        ] {
            assert_eq!(is_json(&headers(&[(header::CONTENT_TYPE, text)])), expected, "{text}");
        }
    }
}
