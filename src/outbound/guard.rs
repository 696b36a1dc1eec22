//! The guarded dialer: the one way to what a user names.
//!
//! A name is resolved here, and only an address that is on the public internet, or that the operator
//! allows, is then dialled: what was checked is what is connected to. The machine's own addresses count
//! as private, whatever they are.

use std::{
    error::Error,
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use url::Host;

use crate::domain::network::{Endpoint, PrivateTargets, reserved};

/// For resolving and connecting together.
const PATIENCE: Duration = Duration::from_secs(10);
/// Names that are looked up at a time, by all instances together: each holds a thread for as long as the
/// resolver likes, whoever has stopped waiting.
const MAX_LOOKUPS: usize = 32;
/// Connections to the outside at a time, of all instances together: each holds two descriptors of Berth.
const MAX_OUTSIDE: usize = 8192;

/// Finds the addresses of a name.
trait Resolve: Send + Sync {
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// This machine's own way: the C library's, which knows `/etc/hosts` and whatever else is set up.
struct System;

impl Resolve for System {
    fn resolve(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        async move { tokio::net::lookup_host((host, port)).await.map(Iterator::collect) }.boxed()
    }
}

/// Dials what users name: endpoints of allow-lists, hosts of URLs. One for all.
pub struct Guard {
    allowed: PrivateTargets,
    resolver: Arc<dyn Resolve>,
    lookups: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(PrivateTargets::default())
    }
}

/// Why an endpoint was not reached.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is not on the public internet.
    #[error("it is {what} ({address}); an operator may allow it by the setting `allow_private_targets`")]
    Private {
        /// Where the name leads.
        address: IpAddr,
        /// What kind of address that is.
        what: &'static str,
    },
    /// No address is known.
    #[error("its name cannot be resolved: {0}")]
    Unresolved(io::Error),
    /// Nobody answers there.
    #[error("it cannot be reached: {0}")]
    Unreachable(io::Error),
    /// Resolving and connecting took too long.
    #[error("it did not answer within {} s", PATIENCE.as_secs())]
    TimedOut,
}

impl Guard {
    /// A guard that lets pass what is public, and `allowed`.
    #[must_use]
    pub fn new(allowed: PrivateTargets) -> Self {
        Self::asking(Arc::new(System), allowed)
    }

    fn asking(resolver: Arc<dyn Resolve>, allowed: PrivateTargets) -> Self {
        let of = |places| Arc::new(Semaphore::new(places));
        Self { allowed, resolver, lookups: of(MAX_LOOKUPS), room: of(MAX_OUTSIDE) }
    }

    /// A place among the connections of all instances; `None` when there is none left.
    #[must_use]
    pub fn admit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    /// A connection to an entry of an allow-list.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect(&self, endpoint: &Endpoint) -> Result<TcpStream, Refusal> {
        let dialled = async { self.dial(Some(endpoint), self.resolve(endpoint).await).await };
        timeout(PATIENCE, dialled).await.unwrap_or(Err(Refusal::TimedOut))
    }

    /// A connection to the host of a URL, as the URL has it written, that sends what it is given at once.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect_named(&self, host: &str, port: u16) -> Result<TcpStream, Box<dyn Error + Send + Sync>> {
        let host = Host::parse(host)?;
        let host = match &host {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        };
        let stream = self.connect_host(host, port).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A connection to the host of a URL.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn connect_host(&self, host: Host<&str>, port: u16) -> Result<TcpStream, Refusal> {
        let address = match host {
            Host::Domain(name) if name.eq_ignore_ascii_case("localhost") => Ipv4Addr::LOCALHOST.into(),
            Host::Domain(name) => {
                let endpoint = format!("{name}:{port}").parse().map_err(io::Error::other);
                return self.connect(&endpoint.map_err(Refusal::Unresolved)?).await;
            }
            Host::Ipv4(address) => address.into(),
            Host::Ipv6(address) => IpAddr::from(address).to_canonical(),
        };
        let dialled = self.dial(None, Ok(vec![SocketAddr::new(address, port)]));
        timeout(PATIENCE, dialled).await.unwrap_or(Err(Refusal::TimedOut))
    }

    async fn dial(
        &self,
        endpoint: Option<&Endpoint>,
        resolved: io::Result<Vec<SocketAddr>>,
    ) -> Result<TcpStream, Refusal> {
        let mut refusal = Refusal::Unresolved(io::Error::other("it has no address"));
        for address in resolved.map_err(Refusal::Unresolved)? {
            if let Err(private) = self.check(endpoint, address.ip()) {
                refusal = private;
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => refusal = Refusal::Unreachable(error),
            }
        }
        Err(refusal)
    }

    async fn resolve(&self, endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
        if endpoint.is_this_machine() {
            let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
            return Ok(loopback.map(|address| SocketAddr::new(address, endpoint.port())).to_vec());
        }
        let place = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
        let found = self.resolver.resolve(endpoint.host().to_owned(), endpoint.port());
        // A task of its own: the place is taken until the thread is free, however long the dialler waits.
        let lookup = tokio::spawn(async move {
            let found = found.await;
            drop(place);
            found
        });
        lookup.await.map_err(io::Error::other)?
    }

    fn check(&self, endpoint: Option<&Endpoint>, address: IpAddr) -> Result<(), Refusal> {
        let what = reserved(address).or_else(|| is_ours(address).then_some("an address of this machine"));
        match what {
            Some(what) if !self.allows(endpoint, address) => Err(Refusal::Private { address, what }),
            _ => Ok(()),
        }
    }

    fn allows(&self, endpoint: Option<&Endpoint>, address: IpAddr) -> bool {
        match endpoint {
            Some(endpoint) => self.allowed.allow(endpoint, address),
            None => self.allowed.allow_address(address),
        }
    }
}

/// Whether `address` belongs to this machine: only then would a datagram to it be sent from it. None is sent.
fn is_ours(address: IpAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((address, 9))?;
        socket.local_addr()
    };
    source().is_ok_and(|source: SocketAddr| source.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    #[test]
    fn own_addresses_are_known() {
        assert!(is_ours(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_ours(Ipv4Addr::new(8, 8, 8, 8).into()));
    }

    #[tokio::test]
    async fn what_is_private_needs_to_be_allowed() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let name = format!("stand-in.localhost:{port}");
        let refused = Guard::default().connect(&endpoint(&name)).await.unwrap_err();
        assert!(matches!(refused, Refusal::Private { .. }), "{refused}");
        for allowed in [name.as_str(), "127.0.0.0/8"] {
            Guard::new(allowed.parse().unwrap()).connect(&endpoint(&name)).await.unwrap();
        }
        let other: PrivateTargets = format!("other.localhost:{port}").parse().unwrap();
        assert!(Guard::new(other).connect(&endpoint(&name)).await.is_err());
    }

    #[tokio::test]
    async fn addresses_in_urls_are_checked_like_resolved_ones() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hosts = ["127.0.0.1", "localhost", "LOCALHOST", "[::ffff:127.0.0.1]", "a.localhost"];
        for host in hosts.map(|host| Host::parse(host).unwrap()) {
            let host = match &host {
                Host::Domain(name) => Host::Domain(name.as_str()),
                Host::Ipv4(address) => Host::Ipv4(*address),
                Host::Ipv6(address) => Host::Ipv6(*address),
            };
            let refused = Guard::default().connect_host(host.clone(), port).await.unwrap_err();
            assert!(matches!(refused, Refusal::Private { .. }), "{host}: {refused}");
            Guard::new("127.0.0.0/8".parse().unwrap()).connect_host(host, port).await.unwrap();
        }
    }

    /// A name server that says something else each time it is asked.
    struct Changing(parking_lot::Mutex<Vec<IpAddr>>);

    impl Resolve for Changing {
        fn resolve(&self, _: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
            let next = self.0.lock().pop().ok_or_else(|| io::Error::other("asked too often"));
            async move { next.map(|address| vec![SocketAddr::new(address, port)]) }.boxed()
        }
    }

    /// DNS rebinding: what was checked is what is connected to, for the name is resolved once for both.
    #[tokio::test]
    async fn a_name_that_changes_its_address_leads_nowhere_else() {
        let (good, bad) = (IpAddr::from([127, 0, 0, 2]), IpAddr::from(Ipv4Addr::LOCALHOST));
        let inside = tokio::net::TcpListener::bind((bad, 0)).await.unwrap();
        let port = inside.local_addr().unwrap().port();
        let outside = tokio::net::TcpListener::bind((good, port)).await.unwrap();
        let resolver = Arc::new(Changing(parking_lot::Mutex::new(vec![bad, good])));
        let guard = Guard::asking(resolver, "127.0.0.2/32".parse().unwrap());
        let target = endpoint(&format!("changing.example:{port}"));
        let stream = guard.connect(&target).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().ip(), good);
        outside.accept().await.unwrap();
        let refused = guard.connect(&target).await.unwrap_err();
        assert!(matches!(refused, Refusal::Private { address, .. } if address == bad), "{refused}");
        assert!(inside.accept().now_or_never().is_none(), "nobody came here");
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_is_not_resolved() {
        let refused = Guard::default().connect(&endpoint("nothing.invalid:80")).await.unwrap_err();
        assert!(matches!(refused, Refusal::Unresolved(_)), "{refused}");
    }
}
