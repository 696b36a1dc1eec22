//! What the HTTP transports of both eras share: the listener, who may talk to it, and event streams.

use std::io;

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::{StatusCode, header},
    web::{self, ServiceConfig},
};
use serde_json::Value;
use url::Url;

const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Serves `/health` and what `routes` adds until killed. One worker: the state lives on its thread.
pub(crate) async fn serve(port: u16, routes: fn(&mut ServiceConfig)) -> io::Result<()> {
    HttpServer::new(move || App::new().route("/health", web::get().to(async || "ok")).configure(routes))
        .workers(1)
        .shutdown_timeout(1)
        .bind(("127.0.0.1", port))?
        .run()
        .await
}

/// Refuses pages of other sites and names that are not ours.
pub(crate) fn refuse_strangers(request: &HttpRequest) -> Option<HttpResponse> {
    let text = |name| request.headers().get(name).map(|value| value.to_str().unwrap_or("?").to_owned());
    let origin = text(header::ORIGIN);
    let local = |url: &str| Url::parse(url).ok().and_then(|url| Some(LOCAL.contains(&url.host_str()?))) == Some(true);
    let foreign_origin = origin.is_some_and(|origin| !local(&origin));
    let foreign_host = text(header::HOST).is_some_and(|host| !local(&format!("http://{host}")));
    (foreign_origin || foreign_host).then(|| HttpResponse::Forbidden().finish())
}

/// The trimmed value of a header; absent when it is there twice.
pub(crate) fn one_header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let mut values = request.headers().get_all(name);
    let value = values.next()?.to_str().ok()?.trim();
    values.next().is_none().then_some(value)
}

/// Whether the client named event streams before JSON.
pub(crate) fn prefers_events(request: &HttpRequest) -> bool {
    let accept = one_header(request, "accept").unwrap_or_default();
    let at = |kind| accept.find(kind);
    matches!((at("text/event-stream"), at("application/json")), (Some(events), Some(json)) if events < json)
}

/// Whether the client takes both kinds of answers, as it must.
pub(crate) fn takes_both(request: &HttpRequest) -> bool {
    let accept = one_header(request, "accept").unwrap_or_default();
    accept.contains("text/event-stream") && accept.contains("application/json")
}

pub(crate) fn json_answer(status: u16, answer: &Value) -> HttpResponse {
    let status = StatusCode::from_u16(status).expect("a status of ours");
    HttpResponse::build(status).content_type("application/json").body(answer.to_string())
}

/// An event stream with this body.
pub(crate) fn event_stream(
    body: impl futures_util::Stream<Item = Result<web::Bytes, actix_web::Error>> + 'static,
) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body)
}
