//! The tools that reach for the network, as a curious or hostile server would.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket},
    time::Duration,
};

/// For connecting and for each read.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects, says `text` and answers with what came back; `error: …` with the kind of the error.
pub(crate) fn connect(host: &str, port: u16, text: &str) -> String {
    outcome(resolve(host, port).and_then(|address| {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(text.as_bytes())?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        stream.take(1 << 20).read_to_string(&mut answer)?;
        Ok(answer)
    }))
}

/// Sends one datagram and does not wait for an answer.
pub(crate) fn datagram(host: &str, port: u16, text: &str) -> String {
    outcome(resolve(host, port).and_then(|address| {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.send_to(text.as_bytes(), address)?;
        Ok("sent".to_owned())
    }))
}

/// Takes a port and gives it back.
pub(crate) fn bind(port: u16) -> String {
    outcome(TcpListener::bind(("127.0.0.1", port)).map(|_| "taken".to_owned()))
}

fn resolve(host: &str, port: u16) -> io::Result<SocketAddr> {
    let unknown = |error: io::Error| io::Error::new(io::ErrorKind::NotFound, error);
    let mut addresses = (host, port).to_socket_addrs().map_err(unknown)?;
    addresses.next().ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn outcome(result: io::Result<String>) -> String {
    result.unwrap_or_else(|error| format!("error: {:?}", error.kind()))
}
