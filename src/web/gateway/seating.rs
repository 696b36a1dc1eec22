//! In session mode a request is for one connection of its instance: which, and the way to it.
//!
//! A connection that is there is found without a lock. Another one is ordered of the instance's house
//! and is held while it starts.

use std::sync::Arc;

use super::admission::Admitted;
use crate::{
    auth::{Principal, Via},
    domain::connection::Client,
    mcp::{error::Unavailable, front::FrontRequest, jsonrpc::Kind, session::SessionId},
    routing::{Connections, Route, Seat, unavailable},
};

/// What a request asks for.
#[derive(Clone, Copy)]
pub(super) enum Wish<'a> {
    /// To go on with the session that it names, if it names one.
    Session(Option<&'a str>),
    /// To open a session.
    New,
    /// What its client always gets: it has no session.
    Usual,
}

impl<'a> Wish<'a> {
    /// That of a request of the session era.
    pub(super) fn of(request: &FrontRequest<'a>) -> Self {
        let opens = request.session.is_none()
            && request
                .body
                .message()
                .is_some_and(|message| message.kind() == Kind::Request && message.method() == "initialize");
        if opens { Self::New } else { Self::Session(request.session) }
    }
}

/// Where a request is answered.
pub(super) struct Seating {
    pub(super) route: Arc<Route>,
    /// Ends a connection that has been opened for a session which then was not.
    _opening: Option<Opening>,
}

struct Opening {
    connections: Arc<Connections>,
    seat: Arc<Seat>,
}

impl Drop for Opening {
    fn drop(&mut self) {
        if self.seat.route.sessions.is_vacant() {
            self.connections.leave(self.seat.id);
        }
    }
}

/// Finds where the request is answered: at the instance itself, where it is no house of connections.
///
/// # Errors
/// When there is no connection for it and none can be made.
pub(super) async fn seat(admitted: &mut Admitted, wish: Wish<'_>) -> Result<Seating, Unavailable> {
    let house = Arc::clone(&admitted.route);
    let Some(connections) = house.connections() else { return Ok(Seating { route: house, _opening: None }) };
    let status = house.status();
    if !status.state.serves() && !status.state.will_run() {
        return Err(unavailable(&status));
    }
    let (seat, opening) = match wish {
        // Nobody's session is the house's: there it is not found.
        Wish::Session(id) => match id.and_then(SessionId::read).and_then(|id| connections.find(id)) {
            Some(seat) => (seat, None),
            None => return Ok(Seating { route: house, _opening: None }),
        },
        Wish::New => {
            let seat = connections.open(None).await?;
            let opening = Opening { connections: Arc::clone(connections), seat: Arc::clone(&seat) };
            (seat, Some(opening))
        }
        Wish::Usual => {
            let client = client_of(&admitted.principal);
            let known = connections.of(client);
            let seat = match known {
                Some(seat) => seat,
                None => connections.open(Some(client)).await?,
            };
            (seat, None)
        }
    };
    let route = Arc::clone(&seat.route);
    if admitted.permit.is_some() {
        // The call is under way at the connection: it keeps that awake.
        admitted.permit = Some(route.permit().ok_or_else(|| Unavailable {
            detail: "this connection has as many calls in flight as it may; try again".to_owned(),
        })?);
    }
    Ok(Seating { route, _opening: opening })
}

/// By what a client is known that has no session.
pub(super) fn client_of(principal: &Principal) -> Client {
    match &principal.via {
        Via::Token { id } => Client::Token(*id),
        Via::Grant { id } => Client::Grant(*id),
        Via::Login { .. } | Via::Operator => Client::Account(principal.user),
    }
}
