//! The stateless era over Streamable HTTP: POST only, and a client that goes away has cancelled.

use std::rc::Rc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Bytes, Data, ServiceConfig},
};
use futures_util::stream;
use serde_json::Value;
use tokio::{
    sync::mpsc::{self, UnboundedReceiver},
    task::AbortHandle,
};

use super::{Server, envelope, envelope::Envelope, headers, knows};
use crate::{
    caller::Outgoing,
    http::{event_stream, json_answer, prefers_events, refuse_strangers, takes_both},
    wire::{Failure, Incoming, Members, code, parse, response},
};

pub(crate) fn routes(config: &mut ServiceConfig) {
    let nothing_else = async || HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, "POST")).finish();
    config
        .app_data(Data::new(Server::new()))
        .service(web::resource("/mcp").route(web::post().to(post)).default_service(web::to(nothing_else)));
}

/// Ends the work when it is dropped, which happens when the client goes away.
struct Work(AbortHandle);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn post(request: HttpRequest, body: Bytes, server: Data<Rc<Server>>) -> HttpResponse {
    if let Some(refused) = refuse_strangers(&request) {
        return refused;
    }
    if !takes_both(&request) {
        return HttpResponse::NotAcceptable().finish();
    }
    let (id, method, params) = match parse(&body) {
        Ok(Incoming::Request { id, method, params }) => (id, method, params),
        Ok(Incoming::Notification { .. }) => return HttpResponse::Accepted().finish(),
        Ok(Incoming::Response { id, .. }) => {
            return refusal(&id, Failure::new(code::INVALID_REQUEST, "a client sends no responses"));
        }
        Err((id, failure)) => return refusal(&id, failure),
    };
    match examined(&request, &method, &params) {
        Ok(envelope) => work(&request, &server, (id, method, params), envelope).await,
        Err(failure) => refusal(&id, failure),
    }
}

/// All checks, in the order that decides which error wins.
fn examined(request: &HttpRequest, method: &str, params: &Members) -> Result<Envelope, Failure> {
    let envelope = envelope::read(method, params)?;
    headers::check_version(request, &envelope.version)?;
    let envelope = envelope.supported()?;
    headers::check_routing(request, method, params)?;
    if !knows(method) {
        return Err(Failure::unknown_method(method));
    }
    if method == "tools/call" {
        headers::check_arguments(request, params)?;
    }
    Ok(envelope)
}

async fn work(
    request: &HttpRequest,
    server: &Rc<Server>,
    (id, method, params): (Value, String, Members),
    envelope: Envelope,
) -> HttpResponse {
    let (out, mut outgoing) = mpsc::unbounded_channel();
    let server = Rc::clone(server);
    let working = actix_web::rt::spawn(async move {
        if let Some(answer) = server.call(&id, &method, &params, &envelope, &out).await {
            let _ = out.send(Outgoing::Answer(response(&id, &answer)));
        }
    });
    let working = Work(working.abort_handle());
    // The status is decided by what comes first.
    let first = outgoing.recv().await;
    match first {
        Some(Outgoing::Answer(answer)) if !prefers_events(request) || !answer["error"].is_null() => {
            json_answer(status(&answer), &answer)
        }
        Some(first) => events(first, outgoing, working),
        None => HttpResponse::InternalServerError().finish(),
    }
}

fn events(first: Outgoing, outgoing: UnboundedReceiver<Outgoing>, working: Work) -> HttpResponse {
    let state = (Some(first), outgoing, working);
    event_stream(stream::unfold(state, |(first, mut outgoing, working)| async move {
        let message = match first {
            Some(message) => message,
            None => outgoing.recv().await?,
        };
        let messages = match message {
            Outgoing::Messages(messages) => messages,
            Outgoing::Answer(answer) => vec![answer],
            Outgoing::HangUp => Vec::new(),
        };
        let frames: String = messages.iter().map(|message| format!("event: message\ndata: {message}\n\n")).collect();
        Some((Ok(Bytes::from(frames)), (None, outgoing, working)))
    }))
}

fn refusal(id: &Value, failure: Failure) -> HttpResponse {
    let answer = response(id, &Err(failure));
    json_answer(status(&answer), &answer)
}

fn status(answer: &Value) -> u16 {
    match answer["error"]["code"].as_i64() {
        None | Some(code::INTERNAL) => 200,
        Some(code::METHOD_NOT_FOUND) => 404,
        Some(_) => 400,
    }
}
