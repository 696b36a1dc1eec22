//! An outside API that knows good keys from bad ones, and remembers who asked.

use std::{
    collections::{BTreeSet, HashMap},
    io::{BufRead, BufReader, Read as _, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// What came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: HashMap<String, String>,
}

/// `/me` wants `Authorization: Bearer KEY` (or `Basic KEY`) and answers 401 with a `message` to others; `/auth.test`
/// answers 200 to everybody and says in `ok` what it thinks, as Slack does; `/down` is 503, `/away` redirects to `/me`,
/// `/mirror` is 401 and repeats what it was sent.
pub(crate) struct OutsideApi {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    good: BTreeSet<String>,
    asked: Vec<Asked>,
}

impl OutsideApi {
    pub(crate) fn start(good: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let good = good.iter().map(|key| (*key).to_owned()).collect();
        let state = Arc::new(Mutex::new(State { good, ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { url, state }
    }

    /// From now on this key is no good.
    pub(crate) fn revoke(&self, key: &str) {
        self.state.lock().unwrap().good.remove(key);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) {
    let Some((asked, sent_body)) = read(&stream) else { return };
    if asked.line.starts_with("PUT /_control/tokens ") {
        return heard(stream, state, &sent_body);
    }
    let sent = asked.headers.get("authorization").cloned().unwrap_or_default();
    let key = sent.split_once(' ').map_or(sent.as_str(), |(_, key)| key);
    let path = asked.line.split(' ').nth(1).unwrap_or_default().to_owned();
    let good = {
        let mut state = state.lock().unwrap();
        let good = state.good.contains(key);
        state.asked.push(asked);
        good
    };
    let (status, body) = match (path.as_str(), good) {
        ("/me", true) => ("200 OK", r#"{"login": "ann"}"#.to_owned()),
        ("/me", false) => ("401 Unauthorized", r#"{"message": "Bad credentials"}"#.to_owned()),
        ("/auth.test", true) => ("200 OK", r#"{"ok": true}"#.to_owned()),
        ("/auth.test", false) => ("200 OK", r#"{"ok": false, "error": "invalid_auth"}"#.to_owned()),
        ("/away", _) => ("302 Found\r\nlocation: /me", String::new()),
        ("/mirror", _) => ("401 Unauthorized", format!(r#"{{"message": "not {sent}"}}"#)),
        _ => ("503 Service Unavailable", String::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = stream.write_all((head + &body).as_bytes());
}

/// An authorization server tells which tokens are good: `{TOKEN: {login, state}}`.
fn heard(mut stream: TcpStream, state: &Mutex<State>, body: &[u8]) {
    let tokens: HashMap<String, serde_json::Value> = serde_json::from_slice(body).unwrap();
    for (token, user) in tokens {
        let good = &mut state.lock().unwrap().good;
        let _ = if user["state"] == "valid" { good.insert(token) } else { good.remove(&token) };
    }
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}");
}

fn read(stream: &TcpStream) -> Option<(Asked, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((Asked { line: line.trim().to_owned(), headers }, body))
}
