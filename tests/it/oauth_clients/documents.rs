//! Clients that describe themselves by a document, and what we do not fetch for anybody.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};

use super::{believed, not_believed, text};
use crate::support::{
    TestApp,
    https::Https,
    oauth::{Browser, REDIRECT, access, request, tools, with},
    user::Instance,
};

struct World {
    app: TestApp,
    https: Https,
    instance: Instance,
    browser: Browser,
    _folder: tempfile::TempDir,
}

fn world(settings: &[(&str, &str)]) -> World {
    let (https, folder) = (Https::start(), tempfile::tempdir().unwrap());
    let file = https.ca_file(folder.path());
    let mut builder = TestApp::builder().set("ca_file", file.to_str().unwrap());
    for (name, value) in settings {
        builder = builder.set(name, *value);
    }
    let app = builder.start();
    let ann = app.user("ann");
    let (instance, browser) = (ann.create("fake"), Browser::of(&ann));
    World { app, https, instance, browser, _folder: folder }
}

fn open_world() -> World {
    world(&[("allow_private_targets", "127.0.0.1")])
}

fn described(id: &str) -> Value {
    json!({ "client_id": id, "client_name": "The described editor", "redirect_uris": [REDIRECT] })
}

impl World {
    /// A client with a document at this path; its id.
    fn client(&self, path: &str) -> String {
        let id = format!("{}{path}", self.https.base);
        self.https.put_json(path, &described(&id))
    }

    /// What the page says when this client asks.
    #[track_caller]
    fn page(&self, id: &str, status: u16) -> String {
        self.browser.ask(&request(id, &self.instance)).expect(status).text()
    }
}

#[test]
fn a_described_client_is_let_in_and_its_document_remembered() {
    let world = open_world();
    let id = world.client("/client.json");
    let page = world.page(&id, 200);
    assert!(page.contains("The described editor") && page.contains(&id), "{page}");
    let tokens = access(&world.app, &world.browser, &id, &world.instance);
    tools(&world.instance, &text(&tokens, "access_token")).expect(200);
    assert_eq!(world.https.asked("/client.json"), 1);
    let elsewhere = with(request(&id, &world.instance), "redirect_uri", "https://evil.example/cb");
    world.browser.ask(&elsewhere).expect(400);
    // Many who ask at once wait for one answer.
    let shared = world.client("/shared.json");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| world.page(&shared, 200));
        }
    });
    assert_eq!(world.https.asked("/shared.json"), 1);
}

#[test]
fn documents_that_are_wrong_are_refused_and_that_is_remembered() {
    let world = open_world();
    let put = |path: &str, change: &dyn Fn(&mut Value)| {
        let mut document = described(&format!("{}{path}", world.https.base));
        change(&mut document);
        world.https.put_json(path, &document)
    };
    let json = [("content-type", "application/json")];
    let cases = [
        (put("/foreign", &|document| document["client_id"] = "https://other.example/c".into()), "client_id"),
        (put("/secret", &|document| document["client_secret"] = "s".into()), "secret"),
        (put("/basic", &|document| document["token_endpoint_auth_method"] = "client_secret_basic".into()), "none or"),
        (put("/nameless", &|document| drop(document.as_object_mut().unwrap().remove("client_name"))), "client_name"),
        (put("/nowhere", &|document| document["redirect_uris"] = json!([])), "redirect_uris"),
        (put("/script", &|document| document["redirect_uris"] = json!(["javascript:1"])), "redirect_uris"),
        (world.https.put("/html", "200 OK", &[("content-type", "text/html")], "<p>"), "Content-Type"),
        (world.https.put("/text", "200 OK", &json, "hello"), "not JSON"),
        (world.https.put("/large", "200 OK", &json, &" ".repeat(70_000)), "65536"),
        (world.https.put("/error", "500 Oh", &json, "{}"), "500"),
        (format!("{}/missing", world.https.base), "404"),
    ];
    for (id, reason) in cases {
        let page = world.page(&id, 400);
        assert!(page.contains(reason), "{id}: {page}");
    }
    // It is there now, but its absence is still remembered.
    let id = world.client("/missing");
    world.page(&id, 400);
    assert_eq!(world.https.asked("/missing"), 1);
}

#[test]
fn redirects_are_not_followed() {
    let world = open_world();
    let target = world.client("/client.json");
    let moved = world.https.put("/moved", "302 Found", &[("location", &target)], "");
    assert!(world.page(&moved, 400).contains("302"));
    assert_eq!(world.https.asked("/client.json"), 0);
}

#[test]
fn nothing_in_our_own_network_is_asked() {
    let world = world(&[]);
    let port = world.https.port;
    world.client("/client.json");
    let own_name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let hosts = [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        format!("[::ffff:7f00:1]:{port}"),
        format!("0.0.0.0:{port}"),
        format!("{own_name}:{port}"),
        "169.254.169.254".to_owned(),
        "10.0.0.1".to_owned(),
        "192.168.1.1".to_owned(),
        "[fd00::1]".to_owned(),
        "[fe80::1]".to_owned(),
        "100.64.0.1".to_owned(),
    ];
    for host in hosts {
        let page = world.page(&format!("https://{host}/client.json"), 400);
        // Whether there is something, and where a name leads, is for the log.
        assert!(page.contains("cannot be reached from here"), "{host}: {page}");
        assert!(!page.contains("private") && !page.contains("loopback"), "{host}: {page}");
    }
    // Ids that are other spellings of such addresses are none.
    for id in [format!("https://2130706433:{port}/c"), format!("https://0x7f.1:{port}/c"), "https://a@b/c".to_owned()] {
        assert!(world.page(&id, 400).contains("normal form"), "{id}");
    }
    assert_eq!(world.https.connections(), 0);
}

#[test]
fn only_trusted_hosts_when_there_are_any() {
    let world = world(&[("allow_private_targets", "127.0.0.1"), ("client_document_hosts", "localhost")]);
    let id = world.client("/client.json");
    world.page(&id, 200);
    let other = id.replace("localhost", "127.0.0.1");
    assert!(world.page(&other, 400).contains("client_document_hosts"));
    assert_eq!(world.https.asked("/client.json"), 1);
}

#[test]
fn a_described_client_proves_itself_by_keys_that_it_publishes() {
    let world = open_world();
    let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let key = EncodingKey::from_ed_der(&[&head[..], &[9; 32]].concat());
    let public = Jwk::from_encoding_key(&key, Algorithm::EdDSA).unwrap();
    let id = format!("{}/signed.json", world.https.base);
    let mut document = described(&id);
    document["token_endpoint_auth_method"] = "private_key_jwt".into();
    document["jwks_uri"] = world.https.put_json("/keys.json", &json!({ "keys": [public] })).into();
    world.https.put_json("/signed.json", &document);
    let now = berth::domain::time::Timestamp::now().0 / 1000;
    let sign = |jti: &str| {
        let claims = json!({ "iss": id, "sub": id, "aud": world.app.url, "exp": now + 60, "jti": jti });
        encode(&Header::new(Algorithm::EdDSA), &claims, &key).unwrap()
    };
    let kind = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    for jti in ["1", "2"] {
        believed(&world.app, &[kind, ("client_assertion", &sign(jti))]);
    }
    not_believed(&world.app, &[("client_id", &id)]);
    assert_eq!((world.https.asked("/signed.json"), world.https.asked("/keys.json")), (1, 1));
}
