//! A small server over https with a certificate of its own authority: where clients keep their documents.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring::default_provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

/// An answer: status line, headers, body.
#[derive(Clone)]
struct Page {
    head: String,
    body: String,
}

#[derive(Default)]
struct Inner {
    pages: HashMap<String, Page>,
    asked: Vec<String>,
    connections: usize,
}

/// The server; it ends with the test's process.
pub(crate) struct Https {
    /// `https://localhost:port`.
    pub(crate) base: String,
    /// Its port.
    pub(crate) port: u16,
    inner: Arc<Mutex<Inner>>,
    authority: String,
}

impl Https {
    pub(crate) fn start() -> Self {
        let (config, authority) = certificates();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner: Arc<Mutex<Inner>> = Arc::default();
        let shared = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.lock().unwrap().connections += 1;
                let (config, shared) = (Arc::clone(&config), Arc::clone(&shared));
                std::thread::spawn(move || drop(serve(stream, config, &shared)));
            }
        });
        Self { base: format!("https://localhost:{port}"), port, inner, authority }
    }

    /// The certificate of its authority, as a file for the setting `ca_file`.
    pub(crate) fn ca_file(&self, folder: &Path) -> PathBuf {
        let file = folder.join("authority.pem");
        std::fs::write(&file, &self.authority).unwrap();
        file
    }

    /// Puts something there; its URL.
    pub(crate) fn put(&self, path: &str, status: &str, headers: &[(&str, &str)], body: &str) -> String {
        let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let page = Page { head: format!("HTTP/1.1 {status}\r\n{head}"), body: body.to_owned() };
        self.inner.lock().unwrap().pages.insert(path.to_owned(), page);
        format!("{}{path}", self.base)
    }

    /// Puts JSON there; its URL.
    pub(crate) fn put_json(&self, path: &str, body: &serde_json::Value) -> String {
        self.put(path, "200 OK", &[("content-type", "application/json")], &body.to_string())
    }

    /// How often that was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.inner.lock().unwrap().asked.iter().filter(|asked| *asked == path).count()
    }

    /// How many have connected, whatever they wanted.
    pub(crate) fn connections(&self) -> usize {
        self.inner.lock().unwrap().connections
    }
}

/// One for `localhost` and `127.0.0.1`, and the authority that vouches for it.
fn certificates() -> (Arc<ServerConfig>, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .unwrap();
    (Arc::new(config), authority.pem())
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, inner: &Mutex<Inner>) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let missing = Page { head: "HTTP/1.1 404 Not Found\r\n".to_owned(), body: String::new() };
    let page = {
        let mut inner = inner.lock().unwrap();
        let page = inner.pages.get(&path).cloned().unwrap_or(missing);
        inner.asked.push(path);
        page
    };
    let length = page.body.len();
    write!(stream, "{}content-length: {length}\r\nconnection: close\r\n\r\n{}", page.head, page.body)?;
    stream.conn.send_close_notify();
    stream.flush()
}
