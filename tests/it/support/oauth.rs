//! An OAuth client, and the person who sits before its browser.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use berth::{
    auth::tokens::TokenHash,
    db::oauth_clients::{self, ClientRecord, FIXED},
    domain::time::Timestamp,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::{Url, form_urlencoded};

use super::{
    PASSWORD, TestApp,
    http::{Http, Reply},
    user::{Instance, User},
};

/// Where clients want their answers.
pub(crate) const REDIRECT: &str = "https://app.example.org/callback";
/// What the client has made its challenge of.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// What clients want to see again.
pub(crate) const STATE: &str = "the client's own & state";

/// The S256 challenge of a verifier.
pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Members of a query or a form, by name.
pub(crate) type Members = HashMap<String, String>;

fn encode<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish()
}

/// The members of where a redirect leads to.
#[track_caller]
pub(crate) fn returned(reply: &Reply) -> Members {
    assert_eq!(reply.status, 303, "{}", reply.text());
    let url = Url::parse(reply.header("location")).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// A client without a secret, that an administrator has made.
pub(crate) fn public_client(app: &TestApp, id: &str, redirects: &[&str]) {
    client(app, id, redirects, "none", None);
}

/// A client with this secret.
pub(crate) fn secret_client(app: &TestApp, id: &str, redirects: &[&str], secret: &str) {
    client(app, id, redirects, "client_secret_basic", Some(TokenHash::of(secret).to_hex()));
}

fn client(app: &TestApp, id: &str, redirects: &[&str], authentication: &str, secret_hash: Option<String>) {
    let record = ClientRecord {
        id: id.to_owned(),
        origin: FIXED.to_owned(),
        name: format!("The <b>{id}</b> program"),
        redirect_uris: redirects.iter().map(|uri| (*uri).to_owned()).collect(),
        grant_types: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
        authentication: authentication.to_owned(),
        secret_hash,
        jwks: None,
        jwks_uri: None,
        homepage: None,
        owner: None,
        metadata: json!({}),
        registration_hash: None,
        created_at: Timestamp::now(),
        last_used_at: None,
    };
    app.db().write_blocking(|conn| oauth_clients::insert(conn, &record)).unwrap();
}

/// A browser in which somebody is signed in.
pub(crate) struct Browser {
    http: Http,
    cookie: String,
}

impl Browser {
    /// Signs in.
    #[track_caller]
    pub(crate) fn of(user: &User) -> Self {
        let http = Http::new(user.base(), None);
        let reply = http.post("/api/v1/auth/login", &json!({ "email": user.email, "password": PASSWORD })).expect(200);
        let cookie = reply.header("set-cookie").split(';').next().unwrap().to_owned();
        Self { http, cookie }
    }

    /// Nobody.
    pub(crate) fn of_nobody(app: &TestApp) -> Self {
        Self { http: Http::new(&app.url, None), cookie: String::new() }
    }

    /// Follows a link.
    #[track_caller]
    pub(crate) fn open(&self, path: &str) -> Reply {
        self.http.send("GET", path, &[("cookie", &self.cookie)], None)
    }

    /// Goes where the client sends it.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Members) -> Reply {
        let query = encode(request.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.open(&format!("/oauth/authorize?{query}"))
    }

    /// Sends a form as a page of this origin.
    #[track_caller]
    pub(crate) fn send_from(&self, origin: &str, form: &[(&str, &str)]) -> Reply {
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("origin", origin),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        self.http.send("POST", "/oauth/consent", &headers, Some(encode(form.iter().copied()).as_bytes()))
    }

    /// Answers the page: its hidden fields, and these besides or instead.
    #[track_caller]
    pub(crate) fn answer(&self, page: &Reply, answer: &[(&str, &str)]) -> Reply {
        let hidden = hidden(page);
        let mut form: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &hidden {
            if !answer.iter().any(|(other, _)| other == name) {
                form.push((name, value));
            }
        }
        form.extend(answer);
        self.send_from(self.http.base(), &form)
    }

    /// Asks, and allows everything; the code.
    #[track_caller]
    pub(crate) fn allow(&self, request: &Members) -> String {
        let page = self.ask(request).expect(200);
        let back = returned(&self.answer(&page, &[("decision", "allow"), ("access", "call")]));
        back.get("code").unwrap_or_else(|| panic!("no code in {back:?}")).clone()
    }
}

/// The hidden fields of a page.
pub(crate) fn hidden(page: &Reply) -> Vec<(String, String)> {
    let text = page.text();
    let inputs = text.split("<input type=\"hidden\"").skip(1);
    let attribute = |input: &str, name: &str| {
        let rest = input.split_once(&format!("{name}=\"")).unwrap().1;
        rest.split_once('"').unwrap().0.replace("&amp;", "&")
    };
    inputs.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect()
}

/// What a client that does everything right asks for.
pub(crate) fn request(client: &str, instance: &Instance) -> Members {
    let members = [
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", REDIRECT),
        ("state", STATE),
        ("scope", "mcp:read mcp:call"),
        ("code_challenge", &challenge(VERIFIER)),
        ("code_challenge_method", "S256"),
        ("resource", &instance.url),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The same with another member; without it when it is empty.
pub(crate) fn with(mut request: Members, name: &str, value: &str) -> Members {
    request.remove(name);
    if !value.is_empty() {
        request.insert(name.to_owned(), value.to_owned());
    }
    request
}

/// The program's own connection to the token endpoint and its like.
#[track_caller]
pub(crate) fn post(app: &TestApp, path: &str, form: &[(&str, &str)]) -> Reply {
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", "https://app.example.org")];
    Http::new(&app.url, None).send("POST", path, &headers, Some(encode(form.iter().copied()).as_bytes()))
}

/// Exchanges a code.
#[track_caller]
pub(crate) fn exchange(app: &TestApp, client: &str, code: &str) -> Reply {
    exchange_with(app, client, code, &[])
}

/// The same, with other members.
#[track_caller]
pub(crate) fn exchange_with(app: &TestApp, client: &str, code: &str, other: &[(&str, &str)]) -> Reply {
    let usual = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let kept = usual.iter().filter(|(name, _)| !other.iter().any(|(changed, _)| changed == name));
    post(app, "/oauth/token", &kept.chain(other).copied().collect::<Vec<_>>())
}

/// Uses a refresh token.
#[track_caller]
pub(crate) fn refresh(app: &TestApp, client: &str, token: &str, other: &[(&str, &str)]) -> Reply {
    let usual = [("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)];
    post(app, "/oauth/token", &usual.iter().chain(other).copied().collect::<Vec<_>>())
}

/// Asserts a refusal in the form of RFC 6749.
#[track_caller]
pub(crate) fn refused(reply: &Reply, status: u16, error: &str) -> String {
    assert_eq!((reply.status, reply.json()["error"].as_str()), (status, Some(error)), "{}", reply.text());
    assert_eq!(reply.header("cache-control"), "no-store");
    reply.json()["error_description"].as_str().unwrap().to_owned()
}

/// Access to an instance, by the whole way: its tokens.
#[track_caller]
pub(crate) fn access(app: &TestApp, browser: &Browser, client: &str, instance: &Instance) -> Value {
    exchange(app, client, &browser.allow(&request(client, instance))).expect(200).json()
}

/// Lists the instance's tools with a token.
#[track_caller]
pub(crate) fn tools(instance: &Instance, token: &str) -> Reply {
    Http::new("", Some(token)).get(&instance.beside("/mcp/tools"))
}
