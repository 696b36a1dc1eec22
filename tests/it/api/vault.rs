//! The rotation of the master key: everything sealed is sealed anew, or nothing is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use berth::{
    auth::tokens::csrf,
    db::settings,
    domain::{instance::credential_owner, secret::Secret, time::Timestamp},
    vault::Vault,
};
use diesel::{Connection as _, PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types::Text};
use serde_json::{Value, json};

use super::credentials::{VALUE, app, key_of_child};
use crate::support::{
    Builder, Client, PASSWORD, TestApp,
    api::OutsideApi,
    browser::Browser,
    google::{CLIENT_ID, CLIENT_SECRET, Google},
    receiver::Receiver,
    services::Service,
    text, wait_for,
};

const NEW: &str = "sk-the-new-one-9999";

/// Somebody with one of everything that is sealed.
fn settle(app: &TestApp, receiver: &Receiver) -> (Client, Value, String) {
    let ann = app.client_of("ann@example.org");
    let order = json!({ "service": "vaulted", "credential": { "value": VALUE }, "env": { "MINE": "my-own-variable" } });
    let view = ann.create(&order);
    assert_eq!(key_of_child(&ann, &view), VALUE);
    let stored = ann.get("/api/v1/credentials").expect(200)["items"][0].clone();
    let path = format!("/api/v1/credentials/{}", text(&stored, "id"));
    ann.post(&format!("{path}/rotate"), &json!({ "value": NEW })).expect(200);
    ann.post("/api/v1/webhooks", &json!({ "url": receiver.at("/ok") })).expect(201);
    let login = json!({ "email": "ann@example.org", "password": PASSWORD });
    let signed_in = app.client().post("/api/v1/auth/login", &login);
    let cookie = signed_in.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    let proof = csrf(cookie.split_once('=').unwrap().1);
    app.client().with("cookie", &cookie).with("x-csrf-token", &proof).post("/api/v1/me/totp", &json!({})).expect(201);
    (ann, view, path)
}

/// Somebody else with an account at an outside service, where Berth is a client.
fn connect(app: &TestApp, google: &Google) -> Client {
    app.cli(&["service", "oauth-client", "set", "mail", "--client-id", CLIENT_ID], CLIENT_SECRET);
    let bob = app.client_of("bob@example.org");
    let connected = google.journey(&Browser::signed_in(app, "bob@example.org"), "/connect/mail");
    assert_eq!(connected.status, 200, "{}", connected.text);
    bob
}

fn key_file(app: &TestApp) -> PathBuf {
    app.data().join("master.key")
}

fn vault(file: &Path) -> Vault {
    assert!(file.exists(), "{}", file.display());
    Vault::open(None, file).unwrap().0
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// How often something that this key sealed is in the database, whichever tables there are.
fn sealed_with(app: &TestApp, key_id: &str) -> usize {
    let mark = format!("v1.{key_id}.");
    let bytes = match app.postgres_url() {
        Some(url) => {
            let mut connection = PgConnection::establish(&url).unwrap();
            let mut rows = |sql: &str| sql_query(sql).load::<Line>(&mut connection).unwrap();
            let names = rows("SELECT tablename::text AS line FROM pg_tables WHERE schemaname = current_schema()");
            let all = names.iter().flat_map(|name| rows(&format!("SELECT t::text AS line FROM {} t", name.line)));
            all.map(|row| row.line).collect::<String>().into_bytes()
        }
        None => {
            let files = ["berth.db", "berth.db-wal"].map(|name| fs::read(app.data().join(name)).unwrap_or_default());
            files.concat()
        }
    };
    memchr::memmem::find_iter(&bytes, mark.as_bytes()).count()
}

fn builder() -> Builder {
    app().set("allow_private_targets", "127.0.0.1")
}

#[test]
fn everything_is_sealed_anew_and_works_as_before() {
    let google = Google::start(1, &OutsideApi::start(&[]).url);
    let mail = || {
        Service::stdio("mail", &[])
            .with("credential", json!({ "kind": "oauth2", "env": "KEY", "oauth": google.spec() }))
    };
    for mut app in Builder::all(|| builder().service(mail())) {
        let receiver = Receiver::start();
        let (ann, view, path) = settle(&app, &receiver);
        let bob = connect(&app, &google);
        let told = app.fails(&["vault", "rotate-key"]);
        assert!(told.contains("another Berth"), "{told}");
        app.stop();
        let old = vault(&key_file(&app));
        assert!(sealed_with(&app, old.key_id()) >= 6, "the search finds what is there");
        let done: Value = serde_json::from_str(&app.cli(&["vault", "rotate-key", "--json"], "")).unwrap();
        // Two values of one credential, the environment, the webhook, the second factor; an access token, what it is
        // refreshed with, and Berth's own secret there.
        assert_eq!((&done["resealed"], &done["old_key"]), (&json!(8), &json!(old.key_id())));
        let new = vault(&key_file(&app));
        assert_eq!(done["new_key"], new.key_id());
        assert_eq!(sealed_with(&app, old.key_id()), 0, "something was forgotten");
        let kept = app.data().join(format!("master.key.{}", old.key_id()));
        assert_eq!((text(&done, "old_key_file"), vault(&kept).key_id()), (kept.display().to_string(), old.key_id()));
        assert!(!app.data().join("master.key.new").exists());
        app.start_again();
        assert_eq!(key_of_child(&ann, &view), NEW);
        let answer = ann.call(&view, "whoami", &json!({})).expect(200);
        assert!(answer.to_string().contains("my-own-variable"), "{answer}");
        ann.post(&format!("{path}/rollback"), &json!({})).expect(200);
        assert_eq!(key_of_child(&ann, &view), VALUE);
        let hook = ann.get("/api/v1/webhooks").expect(200)["items"][0].clone();
        let posted = ann.post(&format!("/api/v1/webhooks/{}/test", text(&hook, "id")), &json!({})).expect(200);
        assert_eq!(posted["delivered"], true);
        // With both the token is refreshed.
        let account = wait_for("the end of its token", || {
            let account = bob.get("/api/v1/credentials").expect(200)["items"][0].clone();
            let now = serde_json::to_value(Timestamp::now()).unwrap();
            (text(&account["grant"], "expires_at").as_str() < now.as_str().unwrap()).then(|| account["id"].clone())
        });
        let before = google.asked("/token");
        let made = bob.create(&json!({ "service": "mail", "credential": { "id": account } }));
        bob.wait_for(&text(&made, "id"), "running");
        assert!(google.asked("/token") > before, "its token has run out meanwhile");
        let root = app.admin_client("root@example.org");
        let entries = root.get("/api/v1/audit?action=vault.rotate_key").expect(200);
        assert_eq!(entries["items"][0]["detail"]["new"], new.key_id());
        app.cli(&["audit", "verify"], "");
        // And again.
        app.stop();
        app.cli(&["vault", "rotate-key"], "");
        assert_eq!(sealed_with(&app, new.key_id()), 0);
        app.start_again();
        assert_eq!(key_of_child(&ann, &view), VALUE);
    }
}

#[test]
fn an_interrupted_rotation_is_gone_on_with() {
    let mut app = builder().start();
    let (ann, view, _) = settle(&app, &Receiver::start());
    app.stop();
    let (file, next) = (key_file(&app), app.data().join("master.key.new"));
    let old = fs::read(&file).unwrap();
    // Interrupted when the new key was made, before anything was sealed with it: Berth goes on with the old one …
    let made = Vault::create(&next).unwrap().key_id().to_owned();
    app.start_again();
    assert_eq!(key_of_child(&ann, &view), NEW);
    app.stop();
    assert_eq!(fs::read(&file).unwrap(), old);
    // … and the next attempt takes that key.
    let done: Value = serde_json::from_str(&app.cli(&["vault", "rotate-key", "--json"], "")).unwrap();
    assert_eq!(done["new_key"], made);
    // Interrupted when everything was sealed anew, before the key took its place: a start finishes it …
    let interrupt = || {
        fs::rename(&file, &next).unwrap();
        fs::copy(text(&done, "old_key_file"), &file).unwrap();
    };
    interrupt();
    app.start_again();
    assert_eq!(key_of_child(&ann, &view), NEW);
    assert!(app.log().contains("was interrupted and is finished now"));
    app.stop();
    assert_eq!((vault(&file).key_id(), next.exists()), (made.as_str(), false));
    // … as does another attempt.
    interrupt();
    let again: Value = serde_json::from_str(&app.cli(&["vault", "rotate-key", "--json"], "")).unwrap();
    assert_eq!((&again["new_key"], &again["resealed"]), (&json!(made), &json!(0)));
    assert_eq!(vault(&file).key_id(), made);
    app.start_again();
    assert_eq!(key_of_child(&ann, &view), NEW);
}

#[test]
fn what_does_not_open_stops_the_rotation_before_anything_is_changed() {
    let mut app = builder().start();
    let (ann, view, _) = settle(&app, &Receiver::start());
    app.stop();
    let old = vault(&key_file(&app));
    let sql = "UPDATE totp SET sealed = substr(sealed, 1, length(sealed) - 4)";
    app.db().write_blocking(|c| diesel::connection::SimpleConnection::batch_execute(c, sql)).unwrap();
    let told = app.fails(&["vault", "rotate-key"]);
    assert!(told.contains("sealed for totp:") && told.contains("nothing was changed"), "{told}");
    assert_eq!(vault(&key_file(&app)).key_id(), old.key_id());
    let row = app.db().read_blocking(berth::db::credentials::all).unwrap().remove(0);
    assert_eq!(old.open_sealed(&credential_owner(row.user_id, row.id), &row.sealed).unwrap().expose(), NEW);
    app.start_again();
    assert_eq!(key_of_child(&ann, &view), NEW);
}

#[test]
fn a_key_that_is_a_setting_is_given_its_successor() {
    let (first, second) = (STANDARD.encode([1; 32]), STANDARD.encode([2; 32]));
    let mut app = builder().env("BERTH_MASTER_KEY", first.as_str()).start();
    settle(&app, &Receiver::start());
    app.stop();
    let told = app.fails(&["vault", "rotate-key"]);
    assert!(told.contains("--key-stdin"), "{told}");
    let refused = app.run_with(&["vault", "rotate-key", "--key-stdin"], "no key");
    assert!(!refused.status.success());
    let told = app.cli(&["vault", "rotate-key", "--key-stdin"], &second);
    assert!(told.contains("BERTH_MASTER_KEY") && !told.contains(&second), "{told}");
    let new = Vault::open(Some(&Secret::new(second)), Path::new("/nonexistent")).unwrap().0;
    let check = app.db().read_blocking(|c| settings::get(c, "vault.check")).unwrap().unwrap();
    new.verify_check(&check).unwrap();
    let told = app.fails(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(told.contains("not the master key"), "{told}");
}
