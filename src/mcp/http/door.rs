//! Who makes connections. Children that nobody can dial listen in a network of their own, and theirs are made by a
//! [`Dial`]; those to servers elsewhere that a user has named are made by the one [`DialOutside`].
//!
//! `awc` takes its connections from one connector per client, and there it is only known by its host
//! name what is asked for. So each such child has a host name of its own here, which no name server
//! knows and nobody can guess: a URL that a user writes never leads through another's door.
//!
//! Owner of state: who dials outside, said once; the table of doors, whose entries live as long as their [`Via`]. It is looked at when
//! a connection is made, not when a call is.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, OnceLock},
};

use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use parking_lot::RwLock;
use tokio::net::TcpStream;
use uuid::Uuid;

/// Names below this one do not exist (RFC 6761 section 6.4).
const DOMAIN: &str = ".door.invalid";

static DOORS: RwLock<Option<HashMap<Uuid, Arc<dyn Dial>>>> = RwLock::new(None);

/// Makes connections to one child.
pub trait Dial: Send + Sync {
    /// A new connection, which belongs to the calling thread.
    fn dial(&self) -> BoxFuture<'static, io::Result<TcpStream>>;
}

/// Who dials what users have named. Nobody does until it is said.
static OUTSIDE: OnceLock<Arc<dyn DialOutside>> = OnceLock::new();

/// Makes connections to hosts that a user has named, or refuses to.
pub trait DialOutside: Send + Sync {
    /// A new connection, which belongs to the calling thread.
    fn dial(&self, host: &str, port: u16) -> BoxFuture<'static, io::Result<TcpStream>>;
}

/// Says who dials for [`super::Address::outside`], for all of this process. Saying it again changes nothing.
pub fn dial_outside_by(dialler: Arc<dyn DialOutside>) {
    let _ = OUTSIDE.set(dialler);
}

/// Says that a child's connections are made by a [`Dial`].
pub struct Via {
    id: Uuid,
    origin: String,
}

impl Via {
    /// For as long as it lives, `dial` makes the connections of who it is given to.
    #[must_use]
    pub fn new(dial: Arc<dyn Dial>) -> Self {
        let id = Uuid::new_v4();
        DOORS.write().get_or_insert_default().insert(id, dial);
        Self { id, origin: format!("http://{id}{DOMAIN}") }
    }

    /// What stands for the child's origin in the requests of this process.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }
}

impl Drop for Via {
    fn drop(&mut self) {
        if let Some(doors) = DOORS.write().as_mut() {
            doors.remove(&self.id);
        }
    }
}

/// The door that a host name stands for; `None` for names that stand for themselves.
fn door(host: &str) -> Option<io::Result<Arc<dyn Dial>>> {
    let id = host.strip_suffix(DOMAIN)?;
    let found = Uuid::parse_str(id).ok().and_then(|id| DOORS.read().as_ref()?.get(&id).cloned());
    Some(found.ok_or_else(|| io::Error::new(io::ErrorKind::NotConnected, "the instance is gone")))
}

/// The connector of a client: `plain`, but for those with a door; or, where that is not trusted with names, who dials
/// outside.
#[derive(Clone)]
pub(super) struct Connector<S> {
    pub(super) plain: S,
    pub(super) is_outside: bool,
}

type Connected = Result<Connection<Uri, TcpStream>, ConnectError>;

impl<S> Service<ConnectInfo<Uri>> for Connector<S>
where
    S: Service<ConnectInfo<Uri>, Response = Connection<Uri, TcpStream>, Error = ConnectError>,
    S::Future: 'static,
{
    type Response = Connection<Uri, TcpStream>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Connected>;

    actix_service::forward_ready!(plain);

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        match info.request().host().and_then(door) {
            None if self.is_outside => Box::pin(outside(info)),
            None => Box::pin(self.plain.call(info)),
            Some(door) => Box::pin(through(door, info)),
        }
    }
}

async fn through(door: io::Result<Arc<dyn Dial>>, info: ConnectInfo<Uri>) -> Connected {
    let stream = async { door?.dial().await }.await.map_err(ConnectError::Io)?;
    Ok(Connection::new(info.request().clone(), stream))
}

async fn outside(info: ConnectInfo<Uri>) -> Connected {
    let uri = info.request();
    let refused = |why: &str| ConnectError::Io(io::Error::new(io::ErrorKind::NotConnected, why.to_owned()));
    let host = uri.host().ok_or_else(|| refused("the URL has no host"))?;
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let dialler = OUTSIDE.get().ok_or_else(|| refused("nobody dials outside"))?;
    let stream = dialler.dial(host, port).await.map_err(ConnectError::Io)?;
    Ok(Connection::new(uri.clone(), stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl Dial for Nowhere {
        fn dial(&self) -> BoxFuture<'static, io::Result<TcpStream>> {
            Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
        }
    }

    #[test]
    fn a_name_stands_for_its_door_while_that_is_there() {
        let via = Via::new(Arc::new(Nowhere));
        let host = via.origin().strip_prefix("http://").unwrap().to_owned();
        assert!(door(&host).unwrap().is_ok());
        drop(via);
        assert!(door(&host).unwrap().is_err());
        assert!(door("0.door.invalid").unwrap().is_err());
        for plain in ["127.0.0.1", "door.invalid", "example.com"] {
            assert!(door(plain).is_none(), "{plain}");
        }
    }
}
