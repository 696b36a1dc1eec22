//! Signing in at an outside service: there and back, tokens kept fresh, and what happens when it takes them back.

use std::{rc::Rc, thread, time::Duration};

use serde_json::{Value, json};

use super::nothing_has;
use crate::support::{
    Answer, Builder, Client, TestApp,
    api::OutsideApi,
    browser::Browser,
    google::{CLIENT_ID, CLIENT_SECRET, Google},
    services::Service,
    sleep, text, wait_for,
};

struct Scene {
    app: TestApp,
    google: Rc<Google>,
    api: Rc<OutsideApi>,
    ann: Client,
    root: Client,
}

fn builder(google: &Google, api: &OutsideApi) -> Builder {
    let credential = json!({
        "kind": "oauth2", "env": "THE_KEY", "check": format!("{}/me", api.url), "oauth": google.spec(),
    });
    let service = Service::stdio("mail", &[]).with("credential", credential).with("scopes", json!(["read", "send"]));
    TestApp::builder().set("allow_private_targets", "127.0.0.1").service(service)
}

/// The service and its outside; tokens live for `seconds`.
fn outside(seconds: u32) -> (Rc<Google>, Rc<OutsideApi>) {
    let api = OutsideApi::start(&[]);
    (Rc::new(Google::start(seconds, &api.url)), Rc::new(api))
}

fn scene(seconds: u32) -> Scene {
    let (google, api) = outside(seconds);
    Scene::settle(builder(&google, &api).start(), &google, &api)
}

fn register(client: &Client) {
    let body = json!({ "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET });
    put(client, "/api/v1/services/mail/oauth-client", &body).expect(200);
}

fn put(client: &Client, path: &str, body: &Value) -> Answer {
    client.with("content-type", "application/json").send("PUT", path, Some(&body.to_string()))
}

impl Scene {
    /// Berth is registered, Ann has an account.
    fn settle(app: TestApp, google: &Rc<Google>, api: &Rc<OutsideApi>) -> Self {
        let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
        register(&root);
        Self { app, google: Rc::clone(google), api: Rc::clone(api), ann, root }
    }

    fn browser(&self) -> Browser {
        Browser::signed_in(&self.app, "ann@example.org")
    }

    /// Ann connects; the credential's id.
    #[track_caller]
    fn connect(&self, path: &str) -> String {
        let answer = self.google.journey(&self.browser(), path);
        let location = answer.header("location").unwrap_or_else(|| panic!("{}", answer.text)).to_owned();
        location.split_once("connected=").unwrap().1.to_owned()
    }

    fn stored(&self) -> Value {
        self.ann.get("/api/v1/credentials").expect(200)["items"][0].clone()
    }

    /// An instance with the credential; the token that its process has.
    fn instance(&self, credential: &str) -> (Value, String) {
        let view = self.ann.create(&json!({ "service": "mail", "credential": { "id": credential } }));
        let key = self.key(&view);
        (view, key)
    }

    fn key(&self, view: &Value) -> String {
        text(&json!({ "key": super::key_of_child(&self.ann, view) }), "key")
    }

    fn is_good(&self, token: &str) -> bool {
        Client::new(&self.api.url).with_token(token).get("/me").status == 200
    }
}

#[test]
fn who_signs_in_there_has_a_credential_here() {
    let (google, api) = outside(3600);
    for app in Builder::all(|| builder(&google, &api)) {
        let scene = Scene::settle(app, &google, &api);
        let browser = scene.browser();
        let begun = browser.get("/connect/mail?label=work&next=/app/x");
        let asked = begun.header("location").unwrap();
        for part in ["code_challenge_method=S256", "scope=read+send", "access_type=offline", "prompt=consent", "state="]
        {
            assert!(asked.contains(part), "{asked}");
        }
        let back = google.visit(&begun);
        let answer = browser.get(&back);
        assert_eq!(answer.status, 303, "{}", answer.text);
        let stored = scene.stored();
        assert_eq!(answer.header("location").unwrap(), format!("/app/x?connected={}", text(&stored, "id")));
        assert_eq!((&stored["label"], &stored["last_result"]), (&json!("work"), &json!("valid")));
        assert_eq!((&stored["grant"]["standing"], &stored["grant"]["scope"]), (&json!("kept"), &json!("read send")));
        assert_eq!(browser.cookie("berth_consent"), None, "it has done its work");
        let (_, key) = scene.instance(&text(&stored, "id"));
        assert!(key.starts_with("ya29."), "{key}");
        // The answer is good once.
        assert_eq!(browser.get(&back).status, 403);
        nothing_has(&scene.app, &key);
        nothing_has(&scene.app, CLIENT_SECRET);
        let path = format!("/api/v1/credentials/{}", text(&stored, "id"));
        let told = scene.ann.post(&format!("{path}/rotate"), &json!({ "value": "other" })).refused(409, "conflict");
        assert!(told.contains("connect"), "{told}");
        // Deleted here, taken back there.
        scene.ann.send("DELETE", &format!("{path}?force=true"), None).expect(204);
        wait_for("the revocation", || (google.asked("/revoke") >= 1).then_some(()));
        wait_for("its end there", || (!scene.is_good(&key)).then_some(()));
        let entries = scene.root.get("/api/v1/audit?action=credential.connect").expect(200);
        assert!(entries["items"][0]["detail"].to_string().contains("read send"), "{entries}");
    }
}

#[test]
fn an_answer_is_taken_from_who_has_asked_alone() {
    let scene = scene(3600);
    let bob = scene.app.client_of("bob@example.org");
    let bobs = Browser::signed_in(&scene.app, "bob@example.org");
    let ann = scene.browser();
    // Ann's answer in Bob's browser: also with her cookie, and also where nobody is signed in.
    let back = scene.google.visit(&ann.get("/connect/mail"));
    assert_eq!(bobs.get(&back).status, 403);
    let cookie = ann.cookie("berth_consent").unwrap();
    bobs.set_cookie("berth_consent", &cookie);
    assert_eq!(bobs.get(&back).status, 403);
    let nobody = Browser::new(&scene.app);
    nobody.set_cookie("berth_consent", &cookie);
    assert_eq!(nobody.get(&back).status, 403);
    // Another state, another service's path, what the service says itself.
    let state = back.split("state=").nth(1).unwrap().split('&').next().unwrap();
    assert_eq!(ann.get(&back.replace(state, "another")).status, 403);
    ann.get("/connect/mail");
    assert_eq!(ann.get(&back).status, 403, "one journey at a time");
    let begun = ann.get("/connect/mail");
    let state = begun.header("location").unwrap().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let refused =
        ann.get(&format!("/connect/mail/callback?error=access_denied&error_description=no%3Cb%3E&state={state}"));
    assert_eq!((refused.status, refused.text.contains("no&lt;b&gt;")), (403, true), "{}", refused.text);
    for client in [&scene.ann, &bob] {
        assert_eq!(client.get("/api/v1/credentials").expect(200)["items"], json!([]));
    }
    // Who is not signed in does that first, and comes back.
    let answer = nobody.get("/connect/mail?label=x");
    assert_eq!(answer.header("location"), Some("/login?next=%2Fconnect%2Fmail%3Flabel%3Dx"));
    // Somebody else's credential, one that there is not, a service that there is not.
    let id = scene.connect("/connect/mail?next=/");
    for path in [format!("/connect/mail?credential={id}"), "/connect/none".to_owned()] {
        assert_eq!(bobs.get(&path).status, 404, "{path}");
    }
}

#[test]
fn the_client_is_the_administrators() {
    let (google, api) = outside(3600);
    let app = builder(&google, &api).service(Service::stdio("plain", &[])).start();
    let (root, ann) = (app.admin_client("root@example.org"), app.client_of("ann@example.org"));
    let browser = Browser::signed_in(&app, "ann@example.org");
    let answer = browser.get("/connect/mail");
    assert_eq!((answer.status, answer.text.contains("not registered")), (409, true), "{}", answer.text);
    assert_eq!(browser.get("/connect/plain").status, 409);
    let path = "/api/v1/services/mail/oauth-client";
    let body = json!({ "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET });
    put(&ann, path, &body).refused(403, "forbidden");
    ann.get(path).refused(403, "forbidden");
    ann.send("DELETE", path, None).refused(403, "forbidden");
    put(&root, "/api/v1/services/plain/oauth-client", &body).refused(409, "conflict");
    put(&root, "/api/v1/services/none/oauth-client", &body).refused(404, "unknown_service");
    for bad in [json!({ "client_id": "" }), json!({ "client_id": "a\nb" }), json!({ "client_id": "a", "x": 1 })] {
        put(&root, path, &bad).refused(400, "validation_failed");
    }
    let shown = put(&root, path, &body).expect(200);
    assert_eq!(shown["redirect_uri"], format!("{}/connect/mail/callback", app.url));
    assert!(!root.get(path).expect(200).to_string().contains(CLIENT_SECRET));
    assert!(app.cli(&["service", "oauth-client", "show", "mail"], "").contains(CLIENT_ID));
    app.cli(&["service", "oauth-client", "set", "mail", "--client-id", CLIENT_ID], "wrong");
    // A wrong secret is the service's to refuse, and its words are told.
    let refused = google.journey(&browser, "/connect/mail");
    assert_eq!((refused.status, refused.text.contains("invalid_client")), (502, true), "{}", refused.text);
    app.cli(&["service", "oauth-client", "set", "mail", "--client-id", CLIENT_ID], CLIENT_SECRET);
    assert_eq!(google.journey(&browser, "/connect/mail").status, 200);
    root.send("DELETE", path, None).expect(204);
    root.send("DELETE", path, None).refused(404, "not_found");
}

#[test]
fn tokens_are_replaced_before_they_run_out() {
    let scene = scene(4);
    let id = scene.connect("/connect/mail?next=/");
    let (view, first) = scene.instance(&id);
    // A process that cannot be told finishes and is replaced.
    let second = wait_for("another token", || Some(scene.key(&view)).filter(|key| *key != first));
    assert!(scene.is_good(&second));
    let third = wait_for("a third one", || Some(scene.key(&view)).filter(|key| *key != second));
    assert!(scene.is_good(&third));
    assert_eq!(scene.stored()["grant"]["standing"], "kept");
    assert_eq!(
        scene.ann.get(&format!("/api/v1/mcps/{}", text(&view, "id"))).expect(200)["restarts"],
        0,
        "it was replaced, and never fell"
    );
    assert!(!scene.app.log().contains("was not refreshed"), "{}", scene.app.log());
}

#[test]
fn many_who_need_it_refresh_it_once() {
    let scene = scene(3);
    let id = scene.connect("/connect/mail?next=/");
    // No instance uses it: it runs out, and nobody minds.
    sleep(Duration::from_millis(3200));
    assert_eq!(scene.google.asked("/token"), 1, "the code alone");
    scene.google.fault(&json!({ "kind": "slow", "ms": 300, "path": "^/token" }));
    thread::scope(|scope| {
        for _ in 0..8 {
            let (ann, id) = (scene.ann.clone(), &id);
            scope.spawn(move || {
                let tried = ann.post(&format!("/api/v1/credentials/{id}/test"), &json!({})).expect(200);
                assert_eq!(tried["last_result"], "valid", "{tried}");
            });
        }
    });
    assert_eq!(scene.google.asked("/token"), 2);
}

#[test]
fn a_consent_that_was_taken_back_is_asked_for_again() {
    let scene = scene(4);
    let id = scene.connect("/connect/mail?next=/");
    let (view, token) = scene.instance(&id);
    scene.google.revoke(&token);
    let grant = wait_for("the lapse", || Some(scene.stored()["grant"].clone()).filter(|g| g["standing"] == "lapsed"));
    assert!(text(&grant, "lapsed_why").contains("revoked"), "{grant}");
    let notice = wait_for("the notice", || {
        let all = scene.ann.get("/api/v1/notifications").expect(200);
        all["items"].as_array().unwrap().iter().find(|item| item["kind"] == "consent_needed").cloned()
    });
    assert_eq!(notice["detail"]["connect"], grant["connect"]);
    let tried = scene.ann.post(&format!("/api/v1/credentials/{id}/test"), &json!({})).expect(200);
    assert_eq!(tried["last_result"], "refused");
    // Nobody asks again and again for what was refused.
    let asked = scene.google.asked("/token");
    sleep(Duration::from_secs(1));
    assert_eq!(scene.google.asked("/token"), asked);
    // The same credential, with new tokens; its instance has them.
    let again = scene.connect(&format!("{}&next=/", text(&grant, "connect")));
    assert_eq!(again, id);
    let key = wait_for("the new token", || Some(scene.key(&view)).filter(|key| *key != token));
    assert!(scene.is_good(&key));
    assert_eq!(scene.stored()["grant"]["standing"], "kept");
}

#[test]
fn a_failing_endpoint_is_tried_again() {
    let scene = scene(6);
    let id = scene.connect("/connect/mail?next=/");
    let (view, first) = scene.instance(&id);
    scene.google.fault(&json!({ "kind": "status", "status": 503, "path": "^/token", "times": 1 }));
    let second = wait_for("another token", || Some(scene.key(&view)).filter(|key| *key != first));
    assert!(scene.is_good(&second));
    assert!(scene.app.log().contains("was not refreshed"), "{}", scene.app.log());
}
