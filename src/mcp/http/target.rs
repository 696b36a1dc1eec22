//! Where an HTTP child is reached, and what each request to it carries.
//!
//! A child of its own has one [`Address`]. An instance of a shared service has the [`Pool`] of that service, and
//! is served by whichever process the pool names at the moment of the request.
//!
//! Owner of state: the instance's actor, which alone replaces its headers. A request takes those that there are
//! when it is sent, and no lock.

use std::sync::Arc;

use arc_swap::ArcSwap;
use awc::{ClientRequest, ClientResponse, http::header};
use bytes::Bytes;
use uuid::Uuid;

use super::{Via, client, pool::Pool, repeat::Repeat, unreachable};
use crate::{domain::secret::Secret, mcp::error::UpstreamError};

/// Names and values.
pub type Headers = Vec<(String, Secret)>;

/// One process, or one server elsewhere.
pub struct Address {
    /// Scheme, host and port, without a trailing slash.
    pub origin: String,
    /// How its connections are made, where nobody can dial it. [`Address::origin`] is then what it
    /// believes to be.
    pub via: Option<Via>,
    /// What this process, and no other, is told by whoever may speak with it.
    pub headers: Headers,
    /// Whether a user has named it: [`super::DialOutside`] makes its connections.
    pub is_outside: bool,
}

impl Address {
    /// An address that anybody can dial, and that is told nothing of its own.
    #[must_use]
    pub const fn at(origin: String) -> Self {
        Self { origin, via: None, headers: Vec::new(), is_outside: false }
    }

    /// An address that a user has named: it may lead where they must not come, so others than we dial it.
    #[must_use]
    pub const fn outside(origin: String) -> Self {
        Self { origin, via: None, headers: Vec::new(), is_outside: true }
    }

    /// The URL of `path` in the requests of this process.
    pub(super) fn url(&self, path: &str) -> String {
        let origin = self.via.as_ref().map_or(self.origin.as_str(), Via::origin);
        format!("{origin}{path}")
    }
}

/// Where the requests of one child go.
enum Place {
    At(Arc<Address>),
    Among(Arc<Pool>, Uuid),
}

/// Where an HTTP child is reached.
pub struct HttpTarget {
    place: Place,
    path: String,
    base: String,
    headers: ArcSwap<Headers>,
}

impl HttpTarget {
    /// One process whose MCP endpoint is at `path` (and query). `headers` are in every request, such as the
    /// instance's credential.
    #[must_use]
    pub fn new(address: Address, path: String, headers: Headers) -> Self {
        let headers = ArcSwap::from_pointee(headers);
        Self { place: Place::At(Arc::new(address)), path, base: String::new(), headers }
    }

    /// What serves the instance `id` among the processes of a pool.
    #[must_use]
    pub fn among(pool: Arc<Pool>, id: Uuid, path: String, headers: Headers) -> Self {
        let headers = ArcSwap::from_pointee(headers);
        Self { place: Place::Among(pool, id), path, base: String::new(), headers }
    }

    /// With `base` before the paths of the instance that are not its MCP endpoint.
    #[must_use]
    pub fn based_at(self, base: String) -> Self {
        Self { base, ..self }
    }

    /// What comes before the paths of the instance that are not its MCP endpoint; empty when the process has
    /// no other instance.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Has every request from now on carry these headers. Those that are under way keep theirs.
    pub fn redress(&self, headers: Headers) {
        self.headers.store(Arc::new(headers));
    }

    /// The one process; `None` where a pool chooses.
    #[must_use]
    pub const fn address(&self) -> Option<&Arc<Address>> {
        match &self.place {
            Place::At(address) => Some(address),
            Place::Among(..) => None,
        }
    }

    /// Whether a pool chooses the process of each request.
    pub(super) const fn is_pooled(&self) -> bool {
        matches!(self.place, Place::Among(..))
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Sends what `make` makes of this thread's client and a URL, for as long as the caller waits; comes back
    /// with the head of the answer.
    pub(super) async fn send(
        &self,
        path: &str,
        make: impl Fn(&awc::Client, &str) -> ClientRequest,
        body: Bytes,
        repeat: Repeat,
    ) -> Result<ClientResponse, UpstreamError> {
        let dressed =
            |address: &Address| self.dress(make(&client::local(address.is_outside), &address.url(path)), address);
        match &self.place {
            Place::At(address) => dressed(address).send_body(body).await.map_err(|error| unreachable(&error)),
            Place::Among(pool, id) => pool.send(*id, dressed, body, repeat).await,
        }
    }

    /// `request` with the headers that every one carries, in place of any that it brings itself.
    fn dress(&self, mut request: ClientRequest, address: &Address) -> ClientRequest {
        if address.via.is_some() {
            let host = address.origin.split_once("://").map_or(address.origin.as_str(), |(_, host)| host);
            request = request.insert_header((header::HOST, host));
        }
        for (name, value) in address.headers.iter().chain(self.headers.load().iter()) {
            request = request.insert_header((name.as_str(), value.expose()));
        }
        request
    }
}
