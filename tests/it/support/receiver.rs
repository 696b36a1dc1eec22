//! A receiver of webhooks that behaves as its path says, and remembers what came.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use super::wait_for;

/// What came.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Message {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether it is signed with `secret` as Standard Webhooks has it, by our own reading of it.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let header = |name: &str| self.headers.get(name).cloned().unwrap_or_default();
        mac.update(format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), self.body).as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

/// `/ok` is answered 200, `/fail` 500 until told otherwise, `/hang` never, `/redirect` sends on to `/inside`, `/gone` is 410.
pub(crate) struct Receiver {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    messages: Vec<Message>,
    is_well: bool,
    hanging: Vec<TcpStream>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { url, state }
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// From now on `/fail` does not.
    pub(crate) fn recover(&self) {
        self.state.lock().unwrap().is_well = true;
    }

    /// What came at this path.
    pub(crate) fn at_path(&self, path: &str) -> Vec<Message> {
        let state = self.state.lock().unwrap();
        state.messages.iter().filter(|message| message.path == path).cloned().collect()
    }

    /// Waits until so many have come at this path.
    #[track_caller]
    pub(crate) fn wait(&self, path: &str, count: usize) -> Vec<Message> {
        wait_for(&format!("{count} messages at {path}"), || {
            let messages = self.at_path(path);
            (messages.len() >= count).then_some(messages)
        })
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let Some(message) = read(&stream) else { return };
    let mut state = state.lock().unwrap();
    let path = message.path.clone();
    state.messages.push(message);
    let status = match path.as_str() {
        "/hang" => return state.hanging.push(stream),
        "/fail" if !state.is_well => "500 Internal Server Error",
        "/gone" => "410 Gone",
        "/redirect" => "302 Found\r\nlocation: /inside",
        _ => "200 OK",
    };
    drop(state);
    let _ = stream.write_all(format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").as_bytes());
}

fn read(stream: &TcpStream) -> Option<Message> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Message { path, headers, body: String::from_utf8(body).ok()? })
}
