//! The session era over Streamable HTTP: sessions, streams that can be resumed, DELETE.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Bytes, Data, ServiceConfig},
};
use serde_json::Value;
use tokio::sync::mpsc;

use super::{Session, VERSIONS, log::Log};
use crate::{
    caller::Outgoing,
    http::{event_stream, json_answer, one_header, prefers_events, refuse_strangers, takes_both},
    wire::{Failure, Incoming, Members, code, parse, response},
};

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";

/// One session and its streams.
struct Live {
    session: Rc<Session>,
    /// What belongs to no call.
    news: Rc<Log>,
    streams: RefCell<HashMap<u64, Rc<Log>>>,
}

#[derive(Default)]
struct Sessions {
    live: RefCell<HashMap<String, Rc<Live>>>,
    streams: Cell<u64>,
}

pub(crate) fn routes(config: &mut ServiceConfig) {
    let sessions = Data::new(Rc::new(Sessions::default()));
    config.app_data(sessions).service(
        web::resource("/mcp").route(web::post().to(post)).route(web::get().to(get)).route(web::delete().to(delete)),
    );
}

async fn post(request: HttpRequest, body: Bytes, sessions: Data<Rc<Sessions>>) -> HttpResponse {
    if let Some(refused) = refuse_strangers(&request) {
        return refused;
    }
    if !takes_both(&request) {
        return HttpResponse::NotAcceptable().finish();
    }
    let incoming = match parse(&body) {
        Ok(incoming) => incoming,
        Err((id, failure)) => return json_answer(400, &response(&id, &Err(failure))),
    };
    if let Incoming::Request { id, method, params } = &incoming
        && method == "initialize"
        && one_header(&request, SESSION).is_none()
    {
        return sessions.begin(id.clone(), params.clone()).await;
    }
    let live = match sessions.of(&request) {
        Ok(live) => live,
        Err(refusal) => return refusal.answer(),
    };
    match incoming {
        Incoming::Request { id, method, params } => {
            let (out, outgoing) = mpsc::unbounded_channel();
            live.session.request(id, method, params, out);
            sessions.reply(&live, outgoing, prefers_events(&request)).await
        }
        Incoming::Notification { method, params } => {
            live.session.notified(&method, &params);
            HttpResponse::Accepted().finish()
        }
        Incoming::Response { id, answer } => {
            live.session.answered(&id, answer);
            HttpResponse::Accepted().finish()
        }
    }
}

async fn get(request: HttpRequest, sessions: Data<Rc<Sessions>>) -> HttpResponse {
    if let Some(refused) = refuse_strangers(&request) {
        return refused;
    }
    let live = match sessions.of(&request) {
        Ok(live) => live,
        Err(refusal) => return refusal.answer(),
    };
    let Some(last) = one_header(&request, "last-event-id") else {
        return event_stream(live.news.read_on());
    };
    let place = last.split_once('.').and_then(|(stream, index)| Some((stream.parse().ok()?, index.parse().ok()?)));
    let Some((stream, index)) = place else { return HttpResponse::BadRequest().body("an event id of somebody else") };
    let log = if stream == 0 { Some(Rc::clone(&live.news)) } else { live.streams.borrow().get(&stream).cloned() };
    log.map_or_else(|| HttpResponse::BadRequest().body("no such stream"), |log| event_stream(log.resume(index)))
}

async fn delete(request: HttpRequest, sessions: Data<Rc<Sessions>>) -> HttpResponse {
    if let Some(refused) = refuse_strangers(&request) {
        return refused;
    }
    match sessions.of(&request) {
        Ok(live) => {
            sessions.live.borrow_mut().remove(one_header(&request, SESSION).unwrap_or_default());
            live.news.finish();
            HttpResponse::NoContent().finish()
        }
        Err(refusal) => refusal.answer(),
    }
}

/// Why a request belongs to no session: status and reason.
struct Refusal(u16, &'static str);

impl Refusal {
    fn answer(&self) -> HttpResponse {
        json_answer(self.0, &response(&Value::Null, &Err(Failure::new(code::INVALID_REQUEST, self.1))))
    }
}

impl Sessions {
    /// Answers `initialize` and remembers the session if that went well.
    async fn begin(self: &Rc<Self>, id: Value, params: Members) -> HttpResponse {
        let (news, messages) = mpsc::unbounded_channel();
        let log = Log::new(0);
        actix_web::rt::spawn(Rc::clone(&log).follow(messages));
        let all = Rc::downgrade(self);
        let announce = move |change| {
            let Some(all) = all.upgrade() else { return };
            all.live.borrow().values().for_each(|live| live.session.hear(change));
        };
        let session = Session::new(news, Rc::new(announce));
        let (out, mut outgoing) = mpsc::unbounded_channel();
        session.request(id, "initialize".to_owned(), params, out);
        let Some(Outgoing::Answer(answer)) = outgoing.recv().await else {
            return HttpResponse::InternalServerError().finish();
        };
        let mut reply = json_answer(200, &answer);
        if answer["error"].is_null() {
            let name = uuid::Uuid::new_v4().to_string();
            let value = name.parse().expect("a UUID fits into a header");
            reply.headers_mut().insert(SESSION.parse().expect("a header's name"), value);
            let live = Live { session, news: log, streams: RefCell::default() };
            self.live.borrow_mut().insert(name, Rc::new(live));
        }
        reply
    }

    /// The session that a request belongs to.
    fn of(&self, request: &HttpRequest) -> Result<Rc<Live>, Refusal> {
        if one_header(request, VERSION).is_some_and(|version| !VERSIONS.contains(&version)) {
            return Err(Refusal(400, "this version is not spoken here"));
        }
        let name = one_header(request, SESSION).ok_or(Refusal(400, "Mcp-Session-Id is missing"))?;
        self.live.borrow().get(name).cloned().ok_or(Refusal(404, "there is no such session"))
    }

    /// JSON when the answer comes first and that is liked; else a stream, the rest of it for later.
    async fn reply(
        &self,
        live: &Rc<Live>,
        mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
        prefers_events: bool,
    ) -> HttpResponse {
        let first = match outgoing.recv().await {
            // Cancelled: nobody waits for an answer.
            None => return HttpResponse::Accepted().finish(),
            Some(Outgoing::Answer(answer)) if !prefers_events => return json_answer(200, &answer),
            Some(first) => first,
        };
        self.streams.set(self.streams.get() + 1);
        let number = self.streams.get();
        let log = Log::new(number);
        if live.session.version.get() == Some(VERSIONS[0]) {
            log.prime();
        }
        live.streams.borrow_mut().insert(number, Rc::clone(&log));
        if log.take(first) {
            log.finish();
        } else {
            actix_web::rt::spawn(Rc::clone(&log).follow(outgoing));
        }
        event_stream(log.read())
    }
}
