//! The guarded fetcher as the client that the OAuth and OpenID Connect crates ask with.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use http::{Request as HttpRequest, Response as HttpResponse};
use url::Url;

use super::{FetchError, Fetcher, Limits, Request};

type Answering = Pin<Box<dyn Future<Output = Result<HttpResponse<Vec<u8>>, FetchError>> + Send>>;

/// Asks by `fetcher`; redirects are answers like any other.
pub fn asking(fetcher: &Fetcher) -> impl Fn(HttpRequest<Vec<u8>>) -> Answering + Send + Sync + use<> {
    let fetcher = fetcher.clone();
    move |request| Box::pin(ask(fetcher.clone(), request))
}

async fn ask(fetcher: Fetcher, request: HttpRequest<Vec<u8>>) -> Result<HttpResponse<Vec<u8>>, FetchError> {
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
