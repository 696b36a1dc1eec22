//! Streamable HTTP of the session era on `127.0.0.1:$PORT`: JSON answers, an event stream when a
//! call sends anything before its answer, GET streams, DELETE, `/health`.

use std::{
    collections::HashSet,
    sync::{Arc, PoisonError, RwLock},
    thread,
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    web::{self, Bytes, Data},
};
use futures_util::stream;
use tokio::sync::mpsc;

use crate::{
    server::{Outcome, Server, lock},
    sink::{Message, Sink},
};

const SESSION: &str = "mcp-session-id";
const BODY_LIMIT: usize = 256 * 1024 * 1024;

/// What every worker shares.
struct Shared {
    server: Arc<Server>,
    sessions: RwLock<HashSet<String>>,
}

/// Serves until killed.
pub(crate) fn serve(server: Arc<Server>) {
    if server.options.no_listen {
        thread::sleep(Duration::from_secs(3600));
        return;
    }
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).expect("PORT holds a port number");
    let shared = Data::new(Shared { server, sessions: RwLock::default() });
    let run = async move {
        HttpServer::new(move || {
            App::new()
                .app_data(Data::clone(&shared))
                .app_data(web::PayloadConfig::new(BODY_LIMIT))
                .route("/health", web::get().to(async || "ok"))
                .route("/mcp", web::post().to(post))
                .route("/mcp", web::get().to(listen))
                .route("/mcp", web::delete().to(end))
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
    let begins = memchr::memmem::find(&body, b"\"initialize\"").is_some() && header(&request).is_none();
    if !begins && let Some(refused) = shared.refusal(&request) {
        return refused;
    }
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
        Outcome::Later => later(receiver).await,
        Outcome::Silent => HttpResponse::Accepted().finish(),
        Outcome::Malformed => HttpResponse::BadRequest()
            .content_type("application/json")
            .body(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"parse error"}}"#),
    }
}

/// JSON when the answer comes first, else an event stream.
async fn later(mut receiver: mpsc::Receiver<Message>) -> HttpResponse {
    match receiver.recv().await {
        Some(Message::Answer(answer)) => HttpResponse::Ok().content_type("application/json").body(answer),
        Some(first) => events(Some(first), receiver),
        None => HttpResponse::InternalServerError().finish(),
    }
}

async fn listen(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    if let Some(refused) = shared.refusal(&request) {
        return refused;
    }
    let (sender, receiver) = mpsc::channel(64);
    lock(&shared.server.streams).push(sender);
    events(None, receiver)
}

async fn end(request: HttpRequest, shared: Data<Shared>) -> HttpResponse {
    if let Some(refused) = shared.refusal(&request) {
        return refused;
    }
    let session = header(&request).unwrap_or_default();
    shared.sessions.write().unwrap_or_else(PoisonError::into_inner).remove(&session);
    HttpResponse::Ok().finish()
}

fn events(first: Option<Message>, receiver: mpsc::Receiver<Message>) -> HttpResponse {
    let body = stream::unfold((first, receiver), |(first, mut receiver)| async move {
        let message = match first {
            Some(message) => message,
            None => receiver.recv().await?,
        };
        Some((Ok::<_, actix_web::Error>(frame(message)), (None, receiver)))
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
    /// A new session's id, unless sessions are off.
    fn begin(&self) -> Option<String> {
        if self.server.options.no_session {
            return None;
        }
        let id = uuid::Uuid::new_v4().to_string();
        self.sessions.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        Some(id)
    }

    /// The answer to a request that belongs to no living session.
    fn refusal(&self, request: &HttpRequest) -> Option<HttpResponse> {
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
