//! The door of an instance that has a network of its own: the one way in, and the one way out.
//!
//! Behind it, in the instance's network, the `Keeper` makes and accepts connections; it hands them over as
//! descriptors, so that afterwards bytes go straight through the kernel.
//! - **In**: [`DoorHandle::dial`] gets a connection to a port of the instance. Nobody else can.
//! - **Out**: a connection to a name of the allow-list arrives here with the number of its entry, is
//!   dialled by the [`Guard`] and relayed, still encrypted where it is.
//!
//! Owner of state: [`Door`], held by whoever holds the process. Dropping it ends every connection that goes
//! out, and every wait for one that goes in.
//!
//! Invariants: the keeper is trusted no more than the instance. It can name entries of the allow-list,
//! at most [`MAX_OUTSIDE`] at a time and [`MESSAGES_A_SECOND`], and answer what was asked; only TCP sockets
//! are accepted from it. The program itself never holds an end of the door.

mod keeper;
mod porter;
mod relay;
mod wire;

use std::{
    collections::HashMap,
    io,
    net::TcpStream as StdTcpStream,
    os::fd::OwnedFd,
    sync::{
        Arc, Weak,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rustix::net::{AddressFamily, SocketType, ipproto, sockopt};
use tokio::{
    io::Interest,
    net::{TcpStream, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use self::porter::Porter;
use self::wire::Message;
pub(super) use self::{keeper::Keeper, wire::pair};
use crate::{domain::network::Endpoint, outbound::Guard};

/// Connections of one instance to the outside at a time.
const MAX_OUTSIDE: usize = 64;
/// What a keeper may say in one second; more waits.
const MESSAGES_A_SECOND: u32 = 1000;
/// Connections into one instance that may be under way at a time.
const MAX_DIALLING: usize = 1024;
/// For a connection into the instance.
const PATIENCE: Duration = Duration::from_secs(5);
/// Passages that wait for somebody to look at them.
const BACKLOG: usize = 256;

/// What came to the door to go out.
#[derive(Debug)]
pub enum Passage {
    /// A connection to the outside was made.
    Opened,
    /// One was refused. The text is for the instance's log.
    Refused(String),
    /// One could not be made. The text is for the instance's log.
    Failed(String),
    /// One has ended.
    Closed {
        /// Bytes that the instance sent.
        sent: u64,
        /// Bytes that it received.
        received: u64,
    },
}

/// Berth's half of a door.
#[derive(Debug)]
pub struct Door {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    passages: Option<mpsc::Receiver<Passage>>,
}

/// Dials through a door for as long as that is there.
#[derive(Clone, Debug)]
pub struct DoorHandle(Weak<Shared>);

#[derive(Debug)]
struct Shared {
    /// Sequenced packets; wrapped as a stream because that is what tokio waits for.
    socket: UnixStream,
    /// Who waits for a connection; `None` once nobody will answer any more.
    dialling: Mutex<Option<HashMap<u32, oneshot::Sender<io::Result<OwnedFd>>>>>,
    next: AtomicU32,
}

impl Door {
    /// Berth's half over `socket`, one end of a `pair`. Runs on the thread that calls.
    pub(super) fn open(socket: OwnedFd, endpoints: Vec<Endpoint>, guard: Arc<Guard>) -> io::Result<Self> {
        let socket = UnixStream::from_std(socket.into())?;
        let shared =
            Arc::new(Shared { socket, dialling: Mutex::new(Some(HashMap::new())), next: AtomicU32::default() });
        let (report, passages) = mpsc::channel(BACKLOG);
        let porter = Porter {
            shared: Arc::clone(&shared),
            endpoints,
            guard,
            report,
            room: Arc::new(Semaphore::new(MAX_OUTSIDE)),
        };
        Ok(Self { shared, task: tokio::spawn(porter.run()), passages: Some(passages) })
    }

    /// For dialling in.
    #[must_use]
    pub fn handle(&self) -> DoorHandle {
        DoorHandle(Arc::downgrade(&self.shared))
    }

    /// What goes out, as it happens; for the first that asks. Passages that nobody looks at are forgotten.
    pub fn passages(&mut self) -> Option<mpsc::Receiver<Passage>> {
        self.passages.take()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.give_up();
    }
}

impl DoorHandle {
    /// A connection to `port` of the instance, on its loopback interface; it belongs to the calling thread.
    ///
    /// # Errors
    /// What the connection failed with; `NotConnected` when the instance is gone.
    pub async fn dial(&self, port: u16) -> io::Result<TcpStream> {
        timeout(PATIENCE, self.connect(port)).await?
    }

    async fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let shared = self.0.upgrade().ok_or_else(gone)?;
        let (id, answer) = shared.ask(port)?;
        let _forget = Forget { shared, id };
        let stream = TcpStream::from_std(adopt(answer.await.map_err(|_| gone())??)?)?;
        // Writable once it is connected, or has failed to be: the keeper did not wait for either.
        stream.writable().await?;
        match stream.take_error()? {
            None => Ok(stream),
            Some(error) => Err(error),
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the instance's network is gone")
}

/// Forgets a question when nobody waits for its answer any more.
struct Forget {
    shared: Arc<Shared>,
    id: u32,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.shared.forget(self.id);
    }
}

impl Shared {
    fn ask(&self, port: u16) -> io::Result<(u32, oneshot::Receiver<io::Result<OwnedFd>>)> {
        let id = self.next.fetch_add(1, Relaxed);
        let (answer, answered) = oneshot::channel();
        {
            let mut dialling = self.dialling.lock();
            let dialling = dialling.as_mut().ok_or_else(gone)?;
            if dialling.len() >= MAX_DIALLING {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "too many connections are being made to it"));
            }
            dialling.insert(id, answer);
        }
        wire::send(&self.socket, Message::Dial { id, port }, None).inspect_err(|_| {
            self.forget(id);
        })?;
        Ok((id, answered))
    }

    fn answered(&self, id: u32, outcome: io::Result<OwnedFd>) {
        // An answer to nothing is dropped, and closed with that.
        if let Some(waiting) = self.forget(id) {
            let _ = waiting.send(outcome);
        }
    }

    fn forget(&self, id: u32) -> Option<oneshot::Sender<io::Result<OwnedFd>>> {
        self.dialling.lock().as_mut()?.remove(&id)
    }

    fn give_up(&self) {
        *self.dialling.lock() = None;
    }

    async fn receive(&self) -> io::Result<(Message, Option<OwnedFd>)> {
        self.socket.async_io(Interest::READABLE, || wire::receive(&self.socket)).await
    }
}

/// A descriptor of the keeper's, taken over: a TCP socket that never blocks us, neither now nor at its end.
fn adopt(descriptor: OwnedFd) -> io::Result<StdTcpStream> {
    let is_tcp = sockopt::socket_domain(&descriptor)? == AddressFamily::INET
        && sockopt::socket_type(&descriptor)? == SocketType::STREAM
        && sockopt::socket_protocol(&descriptor)? == Some(ipproto::TCP);
    if !is_tcp {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no TCP connection"));
    }
    sockopt::set_socket_linger(&descriptor, None)?;
    let stream = StdTcpStream::from(descriptor);
    stream.set_nonblocking(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests;
