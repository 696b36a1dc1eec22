//! The guarded fetcher as the OpenID Connect crate's client.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use openidconnect::{HttpRequest, HttpResponse};
use url::Url;

use crate::outbound::{FetchError, Fetcher, Limits, Request};

type Answering = Pin<Box<dyn Future<Output = Result<HttpResponse, FetchError>> + Send>>;

/// Asks by `fetcher`; redirects are answers like any other.
pub(super) fn asking(fetcher: &Fetcher) -> impl Fn(HttpRequest) -> Answering + Send + Sync + use<> {
    let fetcher = fetcher.clone();
    move |request| Box::pin(ask(fetcher.clone(), request))
}

async fn ask(fetcher: Fetcher, request: HttpRequest) -> Result<HttpResponse, FetchError> {
    let (head, body) = request.into_parts();
    let url = Url::parse(&head.uri.to_string()).map_err(|_| FetchError::Url)?;
    let headers = head.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let request = Request { method: head.method, url, headers, body: Bytes::from(body) };
    let response = fetcher.send(request, Limits::default()).await?;
    let mut answer = HttpResponse::new(response.body.to_vec());
    *answer.status_mut() = response.status;
    *answer.headers_mut() = response.headers;
    Ok(answer)
}
