//! Other people's ports and sockets.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream, ToSocketAddrs as _},
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    sync::Arc,
    time::Duration,
};

use serde_json::json;

use super::{Attack, Outcome};
use crate::server::{Server, lock};

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn attempt(server: &Arc<Server>, attack: &Attack) -> Option<Outcome> {
    Some(match attack.kind.as_str() {
        "connect" => connect(attack).map(|_| json!("connected")),
        "get" => get(attack),
        "bind" => bind(server, attack),
        "abstract_bind" => abstract_bind(server, &attack.name),
        "abstract_connect" => abstract_connect(&attack.name),
        "unix_connect" => UnixStream::connect(&attack.path).map(|_| json!("connected")),
        _ => return None,
    })
}

fn connect(attack: &Attack) -> io::Result<TcpStream> {
    let host = if attack.host.is_empty() { "127.0.0.1" } else { &attack.host };
    let address = (host, attack.port).to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    TcpStream::connect_timeout(&address, PATIENCE)
}

/// The status and body of a GET.
fn get(attack: &Attack) -> Outcome {
    let mut stream = connect(attack)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let token =
        if attack.token.is_empty() { String::new() } else { format!("Authorization: Bearer {}\r\n", attack.token) };
    let head =
        format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{token}Connection: close\r\n\r\n", attack.path, attack.port);
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok());
    Ok(json!({ "status": status, "body": answer.split_once("\r\n\r\n").map(|(_, body)| body) }))
}

/// Listens on a port for as long as this process lives.
fn bind(server: &Server, attack: &Attack) -> Outcome {
    let host = if attack.host.is_empty() { "127.0.0.1" } else { &attack.host };
    let listener = TcpListener::bind((host, attack.port))?;
    let port = listener.local_addr()?.port();
    lock(&server.held).push(Box::new(listener));
    Ok(json!(port))
}

fn abstract_bind(server: &Server, name: &str) -> Outcome {
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    lock(&server.held).push(Box::new(listener));
    Ok(json!("bound"))
}

fn abstract_connect(name: &str) -> Outcome {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)?;
    Ok(json!("connected"))
}
