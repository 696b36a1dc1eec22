//! The session era over stdio: one process, one session.

use std::{cell::OnceCell, rc::Rc};

use tokio::sync::mpsc::UnboundedSender;

use super::Session;
use crate::{
    caller::Outgoing,
    stdio,
    wire::{Incoming, parse, response},
};

/// The session, from the first line on.
#[derive(Default)]
pub(crate) struct Lines {
    session: OnceCell<Rc<Session>>,
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self::default()
    }
}

impl stdio::Lines for Lines {
    fn take(&self, line: &[u8], out: &UnboundedSender<Outgoing>) {
        let session = self.session.get_or_init(|| begin(out));
        match parse(line) {
            Ok(Incoming::Request { id, method, params }) => session.request(id, method, params, out.clone()),
            Ok(Incoming::Notification { method, params }) => session.notified(&method, &params),
            Ok(Incoming::Response { id, answer }) => session.answered(&id, answer),
            Err((id, failure)) => {
                let _ = out.send(Outgoing::Answer(response(&id, &Err(failure))));
            }
        }
    }
}

fn begin(out: &UnboundedSender<Outgoing>) -> Rc<Session> {
    let itself = Rc::new(OnceCell::<std::rc::Weak<Session>>::new());
    let known = Rc::clone(&itself);
    let announce = move |change| {
        if let Some(session) = known.get().and_then(std::rc::Weak::upgrade) {
            session.hear(change);
        }
    };
    let session = Session::new(out.clone(), Rc::new(announce));
    let _ = itself.set(Rc::downgrade(&session));
    session
}
