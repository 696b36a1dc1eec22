//! HTTP requests to URLs that somebody else has given.
//!
//! The connection is the guard's, so a URL cannot lead to a private address, not by a name that changes
//! its address in between either. Redirects are answers like any other: who wants to follow one asks again
//! with the new URL, which is checked as the first one was.

use std::{
    error::Error as StdError,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, Error as ClientError},
    rt::{TokioExecutor, TokioIo},
};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use thiserror::Error;
use tokio::{net::TcpStream, time::timeout};
use url::Url;

use super::{Guard, Refusal};

type BoxError = Box<dyn StdError + Send + Sync>;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Where; `http` or `https`.
    pub url: Url,
    /// Headers beside `Host` and `Content-Length`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body; empty for none.
    pub body: Bytes,
}

impl Request {
    /// `GET url`.
    #[must_use]
    pub const fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: Vec::new(), body: Bytes::new() }
    }

    /// `POST url` with a body.
    #[must_use]
    pub const fn post(url: Url, body: Bytes) -> Self {
        Self { method: Method::POST, url, headers: Vec::new(), body }
    }

    /// A further header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// How long and how large an answer may be.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first look-up to the last byte. Default 10 s.
    pub time: Duration,
    /// Bytes of the body. Default 1 MiB.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(10), bytes: 1 << 20 }
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status; a redirect is not followed.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Bytes,
}

/// Why there is no answer. Tells nothing but what whoever gave the URL may know.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The URL cannot be asked at all.
    #[error("only http and https URLs with a host, and without user name and password, can be fetched")]
    Url,
    /// The host is not reached, or not allowed to be.
    #[error("no connection: {0}")]
    Refused(String),
    /// The connection failed: TLS, or no HTTP.
    #[error("the request failed: {0}")]
    Failed(String),
    /// It took too long.
    #[error("there was no whole answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The body is too large.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

/// Fetches. Clones share connections.
#[derive(Clone)]
pub struct Fetcher {
    client: Client<HttpsConnector<Dialler>, Full<Bytes>>,
}

impl Fetcher {
    /// A fetcher whose connections are made by `guard`, and which believes the public certificate
    /// authorities and `further` ones.
    #[must_use]
    pub fn new(guard: Arc<Guard>, further: &[CertificateDer<'static>]) -> Self {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        roots.add_parsable_certificates(further.iter().cloned());
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let connector = builder.wrap_connector(Dialler { guard });
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(4)
            .build(connector);
        Self { client }
    }

    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// When the URL may not be asked, its host is not reached, or the answer breaks `limits`.
    pub async fn send(&self, request: Request, limits: Limits) -> Result<Response, FetchError> {
        let request = prepare(request)?;
        match timeout(limits.time, self.exchange(request, limits.bytes)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::TimedOut(limits.time)),
        }
    }

    async fn exchange(&self, request: http::Request<Full<Bytes>>, bytes: usize) -> Result<Response, FetchError> {
        let response = self.client.request(request).await.map_err(|error| refused(&error))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, bytes).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                FetchError::TooLarge(bytes)
            } else {
                FetchError::Failed(chain(&*error))
            }
        })?;
        Ok(Response { status: head.status, headers: head.headers, body: body.to_bytes() })
    }
}

fn prepare(request: Request) -> Result<http::Request<Full<Bytes>>, FetchError> {
    let Request { method, url, headers, body } = request;
    let plain = url.username().is_empty() && url.password().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
        return Err(FetchError::Url);
    }
    let mut wanted = http::Request::builder().method(method).uri(url.as_str());
    for (name, value) in headers {
        wanted = wanted.header(name, value);
    }
    wanted.body(Full::new(body)).map_err(|_| FetchError::Url)
}

/// The guard's own word where it has spoken, else the whole chain.
fn refused(error: &ClientError) -> FetchError {
    let mut source: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = source {
        if let Some(refusal) = cause.downcast_ref::<Refusal>() {
            return FetchError::Refused(refusal.to_string());
        }
        source = cause.source();
    }
    FetchError::Failed(chain(error))
}

fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Has the guard make connections.
#[derive(Clone)]
struct Dialler {
    guard: Arc<Guard>,
}

impl tower_service::Service<Uri> for Dialler {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<TcpStream>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let guard = Arc::clone(&self.guard);
        Box::pin(async move {
            let secure = uri.scheme_str() == Some("https");
            let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
            Ok(TokioIo::new(guard.connect_named(uri.host().unwrap_or_default(), port).await?))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// Answers every connection with `answer`.
    fn stand_in(answer: &'static [u8]) -> Url {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/document", listener.local_addr().unwrap()).parse().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer);
            }
        });
        url
    }

    fn fetcher(allowed: &str) -> Fetcher {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Fetcher::new(Arc::new(Guard::new(allowed.parse().unwrap())), &[])
    }

    #[tokio::test]
    async fn fetches_what_may_be_reached_and_nothing_else() {
        let url = stand_in(b"HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 2\r\n\r\nhi");
        let refused = fetcher("").send(Request::get(url.clone()), Limits::default()).await.unwrap_err();
        assert!(matches!(refused, FetchError::Refused(_)), "{refused}");
        let response = fetcher("127.0.0.1").send(Request::get(url), Limits::default()).await.unwrap();
        assert_eq!((response.status, &*response.body), (StatusCode::OK, &b"hi"[..]));
        assert_eq!(response.headers.get("x-a").unwrap(), "b");
    }

    #[tokio::test]
    async fn redirects_are_not_followed_and_large_answers_not_read() {
        let url = stand_in(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
        let response = fetcher("127.0.0.1").send(Request::get(url), Limits::default()).await.unwrap();
        assert_eq!(response.status, StatusCode::FOUND);
        let url = stand_in(b"HTTP/1.1 200 OK\r\n\r\n0123456789");
        let limits = Limits { bytes: 9, ..Limits::default() };
        let refused = fetcher("127.0.0.1").send(Request::get(url), limits).await.unwrap_err();
        assert!(matches!(refused, FetchError::TooLarge(9)), "{refused}");
    }

    #[tokio::test]
    async fn only_plain_web_urls_are_asked() {
        for url in ["file:///etc/passwd", "ftp://example.com/", "http://user:pw@127.0.0.1/", "data:text/plain,x"] {
            let refused = fetcher("127.0.0.1").send(Request::get(url.parse().unwrap()), Limits::default()).await;
            assert!(matches!(refused, Err(FetchError::Url)), "{url}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_does_not_come_is_given_up() {
        let url = stand_in(b"");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let limits = Limits { time: Duration::from_millis(50), ..Limits::default() };
        let refused = fetcher("127.0.0.1").send(Request::get(silent), limits).await.unwrap_err();
        assert!(matches!(refused, FetchError::TimedOut(_)), "{refused}");
        assert!(fetcher("127.0.0.1").send(Request::get(url), Limits::default()).await.is_err());
    }
}
