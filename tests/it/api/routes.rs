//! Every route of `/openapi.json`, called by those who must not get anything there: nobody, somebody else,
//! the holder of a token for something else, and somebody who is disabled.

use serde_json::{Value, json};

use crate::support::{Answer, Client, TestApp, services::Service, text};

/// In what belongs to the owner, so that it is recognised wherever it turns up.
const CANARY: &str = "canary-of-the-owner";
/// In the owner's address, which the owner's own tokens may be told.
const ADDRESS: &str = "address-of-the-owner";

/// Routes whose answer to somebody else is a stream of their own, which does not end.
const OWN_STREAMS: &[&str] = &["/api/v1/notifications/stream", "/api/v1/mcps/stream"];

/// The id of nothing.
const NOBODYS: &str = "00000000-0000-0000-0000-000000000001";

/// Who has a token of the owner, but for another instance.
const LIMITED: &str = "a token for something else";

/// One method of one path.
struct Route {
    method: String,
    path: String,
    open: bool,
    statuses: Vec<String>,
}

fn routes(client: &Client) -> Vec<Route> {
    let document = client.get("/openapi.json").expect(200);
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            routes.push(Route {
                method: method.to_uppercase(),
                path: path.clone(),
                open: operation["security"] == json!([]),
                statuses: operation["responses"].as_object().unwrap().keys().cloned().collect(),
            });
        }
    }
    assert!(routes.len() > 50, "the document has all routes: {}", routes.len());
    routes
}

/// Somebody with one of everything that has an id.
struct Owner {
    client: Client,
    instance: Value,
    credential: String,
    token: String,
    user: String,
    session: String,
}

impl Owner {
    fn settle(app: &TestApp) -> Self {
        let client = app.client_of(&format!("{ADDRESS}@example.org"));
        let user = text(&client.get("/api/v1/me").expect(200), "id");
        let body = json!({ "service": "keyed", "label": CANARY, "value": "a-secret-of-the-owner-1234" });
        let credential = text(&client.post("/api/v1/credentials", &body).expect(201), "id");
        let token = text(&client.post("/api/v1/tokens", &json!({ "name": CANARY })).expect(201), "id");
        let instance = client.create(&json!({ "service": "fake", "label": CANARY }));
        let instance = client.wait_for(&text(&instance, "id"), "running");
        let session = open_session(&client, &instance);
        Self { client, instance, credential, token, user, session }
    }

    /// The path with what belongs to the owner in it.
    fn aim(&self, path: &str) -> String {
        let instance = text(&self.instance, "id");
        let id = match path.trim_start_matches("/api/v1").split('/').nth(1) {
            Some("mcps" | "{service}") => instance.as_str(),
            Some("credentials") => &self.credential,
            Some("tokens") => &self.token,
            Some("users") => &self.user,
            Some("sessions") => &self.session,
            _ => NOBODYS,
        };
        let path = path.replace("{service}", "fake").replace("{name}", "fake").replace("{id}", id);
        path.replace("{user}", &self.user).replace("{share}", NOBODYS)
    }

    /// All that the owner has, but what changes by itself.
    fn belongings(&self) -> Value {
        let mut instance = self.client.get(&format!("/api/v1/mcps/{}", text(&self.instance, "id"))).expect(200);
        for moving in ["health", "last_used_at", "usage"] {
            instance.as_object_mut().unwrap().remove(moving);
        }
        let list = |path: &str| self.client.get(path).expect(200)["items"].as_array().unwrap().len();
        let lists = ["/api/v1/mcps", "/api/v1/credentials", "/api/v1/tokens", "/sessions"].map(list);
        json!([instance, lists, self.client.get("/api/v1/me").expect(200)])
    }
}

fn open_session(client: &Client, instance: &Value) -> String {
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
    let client = client.with("accept", "application/json, text/event-stream");
    let answer = client.post(&text(instance, "url"), &hello);
    answer.header("mcp-session-id").unwrap_or_else(|| panic!("no session: {answer:?}")).to_owned()
}

/// Something that would do harm, were it accepted.
fn body_for(method: &str, path: &str) -> Option<Value> {
    let body = match (method, path) {
        ("POST" | "PATCH" | "PUT", "/api/v1/mcps/{id}") => json!({ "label": "stolen" }),
        (_, "/api/v1/mcps/{id}/renew") => json!({ "expires_in_minutes": 1 }),
        (_, "/api/v1/mcps/{id}/debug") => json!({ "minutes": 1 }),
        (_, "/api/v1/mcps/{id}/shares") => json!({ "email": "stranger@example.org" }),
        (_, "/api/v1/credentials/{id}/rotate") => json!({ "value": "stolen-1234567890" }),
        (_, "/api/v1/users/{id}") => json!({ "role": "admin" }),
        ("POST", "/api/v1/users") => json!({ "email": "made@example.org", "role": "admin" }),
        (_, "/{service}/{id}/mcp/call" | "/api/v1/mcps/{id}/tools/call") => json!({ "name": "echo", "arguments": {} }),
        (_, "/{service}/{id}/mcp" | "/{service}/{id}/messages") => {
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })
        }
        ("POST" | "PATCH" | "PUT", _) => json!({}),
        _ => return None,
    };
    Some(body)
}

fn call(client: &Client, route: &Route, owner: &Owner) -> Answer {
    let body = body_for(&route.method, &route.path).map(|body| body.to_string());
    let client = match body {
        Some(_) => client.with("content-type", "application/json"),
        None => client.clone(),
    };
    client.send(&route.method, &owner.aim(&route.path), body.as_deref())
}

/// What holds whoever asks.
#[track_caller]
fn nothing_leaks(route: &Route, answer: &Answer, who: &str) {
    let Route { method, path, statuses, .. } = route;
    let status = answer.status.to_string();
    assert!(answer.status < 500, "{who}: {method} {path}: {status} {}", answer.text);
    assert!(statuses.contains(&status), "{who}: {method} {path}: {status} is not documented: {}", answer.text);
    let is_own = who == LIMITED;
    for secret in [CANARY, "a-secret-of-the-owner", ADDRESS].into_iter().filter(|secret| !is_own || *secret != ADDRESS)
    {
        assert!(!answer.text.contains(secret), "{who}: {method} {path} tells of the owner: {}", answer.text);
    }
}

#[test]
fn no_route_gives_anything_to_those_it_is_not_for() {
    let credential = json!({ "kind": "api_key", "env": "KEY", "label": "Key" });
    let app = TestApp::builder().service(Service::stdio("keyed", &[]).with("credential", credential)).start();
    let owner = Owner::settle(&app);
    // From elsewhere: this host itself may read the metrics.
    let elsewhere = |client: Client| client.with("x-forwarded-for", "203.0.113.9");
    let nobody = elsewhere(app.client());
    let stranger = elsewhere(app.client_of("stranger@example.org"));
    let disabled = elsewhere(app.client_of("disabled@example.org"));
    app.cli(&["user", "disable", "disabled@example.org"], "");
    let limited = elsewhere(limited_to_another(&app, &owner));
    let before = owner.belongings();
    for route in routes(&nobody) {
        let answer = call(&nobody, &route, &owner);
        nothing_leaks(&route, &answer, "nobody");
        let is_refused = answer.status == 401;
        let at = format!("{} {}", route.method, route.path);
        assert!(is_refused || route.open, "nobody: {at}: {} {}", answer.status, answer.text);
        if !route.open {
            let answer = call(&disabled, &route, &owner);
            // A body that is no good may be noticed before its sender is.
            assert!(matches!(answer.status, 400 | 403 | 415), "somebody disabled: {at}: {answer:?}");
            nothing_leaks(&route, &answer, "somebody disabled");
        }
        if OWN_STREAMS.contains(&route.path.as_str()) {
            continue;
        }
        nothing_leaks(&route, &call(&stranger, &route, &owner), "somebody else");
        let answer = call(&limited, &route, &owner);
        nothing_leaks(&route, &answer, LIMITED);
        let about_the_instance = route.path.contains("mcps/{id}") || route.path.starts_with("/{service}");
        assert!(!about_the_instance || matches!(answer.status, 403 | 404), "{LIMITED}: {at}: {answer:?}");
    }
    assert_eq!(owner.belongings(), before, "nothing of the owner has changed");
}

/// Somebody with a token for one instance, which is not the owner's.
fn limited_to_another(app: &TestApp, owner: &Owner) -> Client {
    let other = owner.client.create(&json!({ "service": "fake", "label": "another" }));
    let id = text(&other, "id");
    owner.client.wait_for(&id, "running");
    let made = owner.client.post("/api/v1/tokens", &json!({ "instances": [id] })).expect(201);
    app.client().with_token(&text(&made, "token"))
}
