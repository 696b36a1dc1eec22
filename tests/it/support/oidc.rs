//! A sign-in provider: discovery, keys, codes with PKCE, signed id tokens. It can misbehave.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use parking_lot::Mutex;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::rest::{Answer, Client};

const CLIENT: &str = "berth";
const SECRET: &str = "s3cr:t";

/// How it misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trouble {
    #[default]
    None,
    WrongNonce,
    WrongAudience,
    WrongIssuer,
    WrongSignature,
    Expired,
    /// The answer says that it comes from somebody else.
    MixedUp,
    /// The person says no.
    Denied,
}

/// Who signs in there.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) subject: String,
    pub(crate) email: String,
    pub(crate) verified: bool,
}

struct Grant {
    challenge: String,
    nonce: String,
    redirect: String,
}

struct State {
    issuer: String,
    person: Person,
    trouble: Trouble,
    key: EcdsaKeyPair,
    key_id: u32,
    codes: HashMap<String, Grant>,
    discoveries: usize,
}

/// One provider.
pub(crate) struct Oidc {
    pub(crate) issuer: String,
    state: Arc<Mutex<State>>,
}

impl Oidc {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let person = Person { subject: "s-1".to_owned(), email: "ann@example.org".to_owned(), verified: true };
        let state = Arc::new(Mutex::new(State {
            issuer: issuer.clone(),
            person,
            trouble: Trouble::None,
            key: fresh_key(),
            key_id: 1,
            codes: HashMap::new(),
            discoveries: 0,
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = serve(stream, &shared);
            }
        });
        Self { issuer, state }
    }

    /// The setting for a Berth, with these further members.
    pub(crate) fn setting(&self, further: &Value) -> String {
        let mut provider = json!({ "issuer": self.issuer, "client_id": CLIENT, "client_secret": SECRET });
        provider.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        json!({ "corp": provider }).to_string()
    }

    pub(crate) fn is(&self, subject: &str, email: &str, verified: bool) {
        self.state.lock().person = Person { subject: subject.to_owned(), email: email.to_owned(), verified };
    }

    pub(crate) fn misbehaves(&self, trouble: Trouble) {
        self.state.lock().trouble = trouble;
    }

    /// From now on it signs with another key.
    pub(crate) fn rotates_its_key(&self) {
        let mut state = self.state.lock();
        state.key = fresh_key();
        state.key_id += 1;
    }

    /// How often it was asked who it is.
    pub(crate) fn discoveries(&self) -> usize {
        self.state.lock().discoveries
    }

    /// What the browser does there: it is sent to `location`, and back; the URL of that.
    #[track_caller]
    pub(crate) fn visit(&self, location: &str) -> String {
        assert!(location.starts_with(&format!("{}/authorize?", self.issuer)), "{location}");
        let answer: Answer = Client::new("").get(location);
        assert_eq!(answer.status, 302, "{}", answer.text);
        answer.header("location").unwrap().to_owned()
    }
}

fn fresh_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap()
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length, mut authorization) = (String::new(), 0, String::new());
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => value.clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let answer = state.lock().answer(&path, &authorization, &body);
    let (status, headers, body) = answer;
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    reader.get_mut().write_all(format!("{head}{body}").as_bytes())
}

type Reply = (&'static str, String, String);

fn ok(body: &Value) -> Reply {
    ("200 OK", "content-type: application/json\r\n".to_owned(), body.to_string())
}

fn refuse(why: &str) -> Reply {
    let body = json!({ "error": "invalid_grant", "error_description": why });
    ("400 Bad Request", "content-type: application/json\r\n".to_owned(), body.to_string())
}

impl State {
    fn answer(&mut self, path: &str, authorization: &str, body: &[u8]) -> Reply {
        let url = Url::parse(&format!("{}{path}", self.issuer)).unwrap();
        match url.path() {
            "/.well-known/openid-configuration" => {
                self.discoveries += 1;
                ok(&self.discovery())
            }
            "/jwks" => ok(&json!({ "keys": [self.jwk()] })),
            "/authorize" => self.authorize(&url.query_pairs().into_owned().collect()),
            "/token" => self.token(authorization, &url::form_urlencoded::parse(body).into_owned().collect()),
            _ => ("404 Not Found", String::new(), String::new()),
        }
    }

    fn discovery(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "jwks_uri": at("/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    fn jwk(&self) -> Value {
        let point = self.key.public_key().as_ref();
        let part = |from: usize| URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        let id = self.key_id.to_string();
        json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": id, "x": part(1), "y": part(33) })
    }

    fn authorize(&mut self, query: &HashMap<String, String>) -> Reply {
        assert_eq!((query["response_type"].as_str(), query["client_id"].as_str()), ("code", CLIENT));
        assert_eq!(query["code_challenge_method"], "S256");
        assert!(query["scope"].split(' ').any(|scope| scope == "openid"));
        let mut back = Url::parse(&query["redirect_uri"]).unwrap();
        let code = format!("code-{}", self.codes.len() + 1);
        let issuer = if self.trouble == Trouble::MixedUp { "https://other.example" } else { self.issuer.as_str() };
        back.query_pairs_mut().append_pair("state", &query["state"]).append_pair("iss", issuer);
        if self.trouble == Trouble::Denied {
            back.query_pairs_mut().append_pair("error", "access_denied");
        } else {
            back.query_pairs_mut().append_pair("code", &code);
        }
        let text = |name: &str| query[name].clone();
        let grant = Grant { challenge: text("code_challenge"), nonce: text("nonce"), redirect: text("redirect_uri") };
        self.codes.insert(code, grant);
        ("302 Found", format!("location: {back}\r\n"), String::new())
    }

    fn token(&mut self, authorization: &str, form: &HashMap<String, String>) -> Reply {
        let encoded: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
        if authorization != format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{encoded}"))) {
            return refuse("the client's secret is wrong");
        }
        let Some(grant) = self.codes.remove(&form["code"]) else { return refuse("no such code") };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
        if challenge != grant.challenge || form["redirect_uri"] != grant.redirect {
            return refuse("the code is not for this");
        }
        ok(&json!({ "access_token": "at", "token_type": "Bearer", "id_token": self.id_token(grant.nonce) }))
    }

    fn id_token(&self, nonce: String) -> String {
        let now = jiff::Timestamp::now().as_second();
        let is = |trouble: Trouble| self.trouble == trouble;
        let (issued, expires) = if is(Trouble::Expired) { (now - 7200, now - 3600) } else { (now, now + 300) };
        let claims = json!({
            "iss": if is(Trouble::WrongIssuer) { "https://other.example" } else { self.issuer.as_str() },
            "aud": if is(Trouble::WrongAudience) { "somebody-else" } else { CLIENT },
            "nonce": if is(Trouble::WrongNonce) { "another".to_owned() } else { nonce },
            "sub": self.person.subject,
            "email": self.person.email,
            "email_verified": self.person.verified,
            "iat": issued,
            "exp": expires,
        });
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": self.key_id.to_string() });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let foreign = fresh_key();
        let key = if is(Trouble::WrongSignature) { &foreign } else { &self.key };
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}
