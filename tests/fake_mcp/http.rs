//! Streamable HTTP of the session era on `127.0.0.1:$PORT`: JSON answers, an event stream when a
//! call sends anything before its answer, GET streams, DELETE, `/health`.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::StatusCode,
    web::{self, Bytes, Data},
};
use futures_util::stream;
use tokio::sync::mpsc;

use crate::{
    server::{Outcome, Server, lock},
    sink::{Message, Sink},
};

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";
const RESUME: &str = "last-event-id";
/// A stream that can be resumed at once, and says nothing.
const TEASER: &str = "id: x\nretry: 0\ndata:\n\n";
const BODY_LIMIT: usize = 256 * 1024 * 1024;

/// What every worker shares.
struct Shared {
    server: Arc<Server>,
    sessions: RwLock<HashSet<String>>,
    /// GET requests so far.
    gets: AtomicUsize,
    /// Progress tokens of calls under way, each with its session's id.
    tokens: Mutex<HashSet<(Option<String>, String)>>,
}

/// A call under way, whose progress token no other call of the session may have.
struct Underway {
    shared: Data<Shared>,
    key: (Option<String>, String),
}

impl Drop for Underway {
    fn drop(&mut self) {
        lock(&self.shared.tokens).remove(&self.key);
    }
}

/// Serves until killed.
pub(crate) fn serve(server: Arc<Server>) {
    if server.options.no_listen {
        thread::sleep(Duration::from_secs(3600));
        return;
    }
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).expect("PORT holds a port number");
    let shared =
        Data::new(Shared { server, sessions: RwLock::default(), gets: AtomicUsize::new(0), tokens: Mutex::default() });
    let run = async move {
        HttpServer::new(move || {
            App::new()
                .app_data(Data::clone(&shared))
                .app_data(web::PayloadConfig::new(BODY_LIMIT))
                .route("/health", web::get().to(async || "ok"))
                .route("/mcp", web::post().to(post))
                .route("/mcp", web::get().to(listen))
                .route("/mcp", web::delete().to(end))
                .route("/api/counts", web::get().to(counts))
                .route("/api/hello", web::get().to(async || r#"{"hello":"world"}"#))
        })
        .workers(2)
        .shutdown_timeout(1)
        .bind(("127.0.0.1", port))?
        .run()
        .await
    };
    if let Err(error) = actix_web::rt::System::new().block_on(run) {
        eprintln!("fake-mcp: cannot listen on port {port}: {error}");
        std::process::exit(1);
    }
}

async fn post(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    if shared.server.options.tease && memchr::memmem::find(&body, b"\"never\"").is_some() {
        return teaser();
    }
    let begins = memchr::memmem::find(&body, b"\"initialize\"").is_some() && header(&request).is_none();
    if !begins && let Some(refused) = shared.refusal(&request) {
        return refused;
    }
    if begins {
        actix_web::rt::time::sleep(Duration::from_millis(shared.server.options.slow_hello_ms)).await;
    }
    let Ok(underway) = shared.underway(&request, &body) else {
        return HttpResponse::BadRequest().body("the progress token is in use");
    };
    let (sender, receiver) = mpsc::channel(16);
    let mut out = Vec::new();
    match shared.server.handle(&body, &Sink::Http(sender), &mut out) {
        Outcome::Answered => {
            let mut answer = HttpResponse::Ok();
            answer.content_type("application/json");
            if begins && let Some(session) = shared.begin() {
                answer.insert_header((SESSION, session));
            }
            answer.body(out)
        }
        Outcome::Later => later(receiver, underway).await,
        Outcome::Silent => HttpResponse::Accepted().finish(),
        Outcome::Malformed => HttpResponse::BadRequest()
            .content_type("application/json")
            .body(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}"#),
    }
}

/// JSON when the answer comes first, else an event stream.
async fn later(mut receiver: mpsc::Receiver<Message>, underway: Option<Underway>) -> HttpResponse {
    match receiver.recv().await {
        Some(Message::Answer(answer)) => HttpResponse::Ok().content_type("application/json").body(answer),
        Some(first) => events(Some(first), receiver, underway),
        None => HttpResponse::InternalServerError().finish(),
    }
}

async fn listen(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    if let Some(refused) = shared.refusal(&request) {
        return refused;
    }
    let number = shared.gets.fetch_add(1, Ordering::Relaxed);
    if shared.server.options.tease && request.headers().contains_key(RESUME) {
        return teaser();
    }
    let plan = &shared.server.options.listen;
    match plan.get(number).or(plan.last()).map_or("stay", String::as_str) {
        "stay" => {}
        "end" => return teaser(),
        status => {
            let status = status.parse().ok().and_then(|status| StatusCode::from_u16(status).ok());
            return HttpResponse::new(status.expect("a plan names statuses"));
        }
    }
    let (sender, receiver) = mpsc::channel(64);
    lock(&shared.server.streams).push(sender);
    events(None, receiver, None)
}

async fn end(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    if let Some(refused) = shared.refusal(&request) {
        return refused;
    }
    let session = header(&request).unwrap_or_default();
    shared.sessions.write().unwrap_or_else(PoisonError::into_inner).remove(&session);
    HttpResponse::Ok().finish()
}

fn teaser() -> HttpResponse {
    HttpResponse::Ok().content_type("text/event-stream").body(TEASER)
}

async fn counts(shared: Data<Shared>) -> String {
    let sessions = shared.sessions.read().unwrap_or_else(PoisonError::into_inner).len();
    format!(r#"{{"sessions":{sessions},"gets":{}}}"#, shared.gets.load(Ordering::Relaxed))
}

fn events(first: Option<Message>, receiver: mpsc::Receiver<Message>, underway: Option<Underway>) -> HttpResponse {
    let body = stream::unfold((first, receiver, underway), |(first, mut receiver, underway)| async move {
        let message = match first {
            Some(message) => message,
            None => receiver.recv().await?,
        };
        Some((Ok::<_, actix_web::Error>(frame(message)), (None, receiver, underway)))
    });
    HttpResponse::Ok().content_type("text/event-stream").insert_header(("cache-control", "no-cache")).streaming(body)
}

fn frame(message: Message) -> Bytes {
    match message {
        Message::Raw(bytes) => bytes.into(),
        Message::Note(text) | Message::Answer(text) => {
            [b"event: message\ndata: ".as_slice(), &text, b"\n\n"].concat().into()
        }
    }
}

fn header(request: &HttpRequest) -> Option<String> {
    Some(request.headers().get(SESSION)?.to_str().ok()?.to_owned())
}

impl Shared {
    /// Takes the progress token of a call, if it has one; an error if it is taken.
    fn underway(self: &Arc<Self>, request: &HttpRequest, body: &[u8]) -> Result<Option<Underway>, ()> {
        if memchr::memmem::find(body, b"progressToken").is_none() {
            return Ok(None);
        }
        let call: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        if call["method"] != "tools/call" {
            return Ok(None);
        }
        let key = (header(request), call["params"]["_meta"]["progressToken"].to_string());
        if !lock(&self.tokens).insert(key.clone()) {
            return Err(());
        }
        Ok(Some(Underway { shared: Data::from(Arc::clone(self)), key }))
    }

    /// A new session's id, unless sessions are off.
    fn begin(&self) -> Option<String> {
        if self.server.options.no_session {
            return None;
        }
        let id = uuid::Uuid::new_v4().to_string();
        self.sessions.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        Some(id)
    }

    /// The answer to a request that belongs to no living session, or is of another revision.
    fn refusal(&self, request: &HttpRequest) -> Option<HttpResponse> {
        if let Some(only) = &self.server.options.only
            && request.headers().get(VERSION).is_none_or(|version| version.as_bytes() != only.as_bytes())
        {
            return Some(HttpResponse::BadRequest().body("this protocol version is not served"));
        }
        if self.server.options.no_session {
            return None;
        }
        let Some(id) = request.headers().get(SESSION).and_then(|id| id.to_str().ok()) else {
            return Some(HttpResponse::BadRequest().body("Mcp-Session-Id is missing"));
        };
        let known = self.sessions.read().unwrap_or_else(PoisonError::into_inner).contains(id);
        (!known).then(|| HttpResponse::NotFound().body("unknown session"))
    }
}
