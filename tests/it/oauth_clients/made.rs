//! Clients that people make: by REST and by the command line.

use serde_json::json;

use super::{actions, believed, not_believed, register, text};
use crate::support::{
    TestApp,
    oauth::{Browser, REDIRECT, access, tools},
};

const PATH: &str = "/api/v1/oauth/clients";

#[test]
fn administrators_make_clients() {
    TestApp::each(|app| {
        let (root, ann) = (app.admin(), app.user("ann"));
        let instance = ann.create("fake");
        let body = json!({ "name": "Editor", "redirect_uris": [REDIRECT], "authentication": "none" });
        let made = root.http.post(PATH, &body).expect(201).json();
        assert!(made["client_secret"].is_null() && made["origin"] == "fixed", "{made}");
        let id = text(&made, "id");
        let token = text(&access(app, &Browser::of(&ann), &id, &instance), "access_token");
        let one = format!("{PATH}/{id}");
        assert_eq!(root.http.get(&one).expect(200).json()["name"], "Editor");
        let changed = root.http.patch(&one, &json!({ "name": "Better", "redirect_uris": ["https://b.example/cb"] }));
        assert_eq!(changed.expect(200).json()["redirect_uris"], json!(["https://b.example/cb"]));
        root.http.patch(&one, &json!({ "new_secret": true })).expect(400);
        root.http.patch(&one, &json!({ "redirect_uris": ["javascript:1"] })).expect(400);
        assert_eq!(ann.http.get(&one).status, 404);
        tools(&instance, &token).expect(200);
        root.http.delete(&one).expect(204);
        root.http.get(&one).expect(404);
        tools(&instance, &token).expect(401);
        let seen = actions(app);
        for action in ["oauth.client_register", "oauth.client_change", "oauth.client_delete"] {
            assert!(seen.contains(&action.to_owned()), "{action}: {seen:?}");
        }
    });
}

#[test]
fn a_secret_is_shown_once_and_can_be_renewed() {
    let app = TestApp::start();
    let root = app.admin();
    let made = root.http.post(PATH, &json!({ "name": "Site", "redirect_uris": [REDIRECT] })).expect(201).json();
    let (id, secret) = (text(&made, "id"), text(&made, "client_secret"));
    believed(&app, &[("client_id", &id), ("client_secret", &secret)]);
    let list = root.http.get(PATH).expect(200).text();
    assert!(list.contains(&id) && !list.contains(&secret), "{list}");
    let renewed = root.http.patch(&format!("{PATH}/{id}"), &json!({ "new_secret": true })).expect(200).json();
    not_believed(&app, &[("client_id", &id), ("client_secret", &secret)]);
    believed(&app, &[("client_id", &id), ("client_secret", &text(&renewed, "client_secret"))]);
}

#[test]
fn users_make_machines_of_their_own_and_nothing_else() {
    let app = TestApp::start();
    let (ann, bob, root) = (app.user("ann"), app.user("bob"), app.admin());
    let own = ann.http.post(PATH, &json!({ "name": "Job" })).expect(201).json();
    let owner = text(&own, "owner");
    for body in [
        json!({ "name": "Phish", "redirect_uris": [REDIRECT], "grant_types": ["authorization_code"] }),
        json!({ "name": "Phish", "redirect_uris": [REDIRECT] }),
        json!({ "name": "Phish", "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"] }),
        json!({ "name": "Phish", "owner": owner }),
    ] {
        assert_eq!(bob.http.post(PATH, &body).status, 403, "{body}");
    }
    ann.http.post(PATH, &json!({ "name": "Job", "authentication": "none" })).expect(400);
    root.http.post(PATH, &json!({ "name": "Job", "grant_types": ["client_credentials"] })).expect(400);
    let one = format!("{PATH}/{}", text(&own, "id"));
    ann.http.patch(&one, &json!({ "redirect_uris": [REDIRECT] })).expect(400);
    assert_eq!((bob.http.get(&one).status, bob.http.delete(&one).status), (404, 404));
    let count = |user: &crate::support::User| user.http.get(PATH).expect(200).json()["items"].as_array().unwrap().len();
    assert_eq!((count(&ann), count(&bob), count(&root)), (1, 0, 1));
    register(&app, &json!({ "redirect_uris": [REDIRECT] }));
    assert_eq!(bob.http.get(&format!("{PATH}?registered=true")).status, 403);
    let registered = root.http.get(&format!("{PATH}?registered=true")).expect(200).json();
    assert_eq!(registered["items"].as_array().unwrap().len(), 1);
}

#[test]
fn the_command_line_makes_and_removes_clients() {
    let app = TestApp::start();
    app.user("ann");
    let made = app.cli(&["client", "add", "Editor", "--redirect", REDIRECT], "");
    let (id, secret) = made.split_once('\n').unwrap();
    believed(&app, &[("client_id", id), ("client_secret", secret)]);
    let machine = ["client", "add", "Job", "--by", "machine", "--owner", "ann@example.org", "--json"];
    assert!(app.cli(&machine, "").contains("client_credentials"));
    assert!(app.cli(&["client", "list"], "").contains(id));
    assert!(!app.cli(&["client", "list", "--json"], "").contains(secret));
    app.cli(&["client", "remove", id], "");
    not_believed(&app, &[("client_id", id), ("client_secret", secret)]);
    assert!(app.fails(&["client", "remove", id]).contains("no such"));
    assert!(app.fails(&["client", "add", "X"]).contains("--redirect"));
    assert!(app.fails(&["client", "add", "X", "--redirect", "http://a.example/"]).contains("https"));
    assert!(app.fails(&["client", "add", "X", "--by", "machine"]).contains("--owner"));
}
