//! The stateless era over stdio: no header layer, `notifications/cancelled`, one channel for all listeners.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use serde_json::Value;
use tokio::{sync::mpsc::UnboundedSender, task::AbortHandle};

use super::{Server, envelope};
use crate::{
    caller::Outgoing,
    stdio,
    wire::{Failure, Incoming, code, parse, response},
};

pub(crate) struct Lines {
    server: Rc<Server>,
    /// By the text of the request's id.
    running: Rc<RefCell<HashMap<String, AbortHandle>>>,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self { server: Server::new(), running: Rc::default() }
    }

    fn cancel(&self, id: &Value) {
        if let Some(work) = self.running.borrow_mut().remove(&id.to_string()) {
            work.abort();
        }
        self.server.listeners.leave(id);
    }
}

impl stdio::Lines for Lines {
    fn take(&self, line: &[u8], out: &UnboundedSender<Outgoing>) {
        let (id, method, params) = match parse(line) {
            Ok(Incoming::Request { id, method, params }) => (id, method, params),
            Ok(Incoming::Notification { method, params }) => {
                if method == "notifications/cancelled"
                    && let Some(id) = params.get("requestId")
                {
                    self.cancel(id);
                }
                return;
            }
            Ok(Incoming::Response { .. }) => {
                eprintln!("conformance-server: a client must not send responses");
                return;
            }
            Err((id, failure)) => {
                let _ = out.send(Outgoing::Answer(response(&id, &Err(failure))));
                return;
            }
        };
        let key = id.to_string();
        if self.running.borrow().contains_key(&key) {
            let failure = Failure::new(code::INVALID_REQUEST, "a request with this id is being worked on");
            let _ = out.send(Outgoing::Answer(response(&id, &Err(failure))));
            return;
        }
        let (server, running, ended) = (Rc::clone(&self.server), Rc::clone(&self.running), key.clone());
        let out = out.clone();
        let work = actix_web::rt::spawn(async move {
            let answer = match envelope::read(&method, &params).and_then(|envelope| envelope.supported()) {
                Ok(envelope) => server.call(&id, &method, &params, &envelope, &out).await,
                Err(failure) => Some(Err(failure)),
            };
            running.borrow_mut().remove(&ended);
            if let Some(answer) = answer {
                let _ = out.send(Outgoing::Answer(response(&id, &answer)));
            }
        });
        self.running.borrow_mut().insert(key, work.abort_handle());
    }
}
