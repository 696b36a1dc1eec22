//! Both eras on one URL: what a child says reaches clients of the other era complete and untouched.

use std::thread;

use serde_json::{Value, json};

use crate::support::{
    Instance, TestApp, User,
    mcp::text_of,
    services::Service,
    stateless::{NOW, Post, SERVER_INFO, StatelessClient},
};

struct Setup {
    _app: TestApp,
    ann: User,
    /// By the era of the child, over stdio and over HTTP.
    old: [Instance; 2],
    new: [Instance; 2],
}

fn setup() -> Setup {
    let app = TestApp::builder()
        .service(Service::conformance("old", "session"))
        .service(Service::conformance_http("old-http", "session"))
        .service(Service::conformance("new", "stateless"))
        .service(Service::conformance_http("new-http", "stateless"))
        .start();
    let ann = app.user("ann");
    let [a, b, c, d] = ["old", "old-http", "new", "new-http"].map(|service| ann.order(service));
    let ready = |instance: Instance| ann.wait(&instance.id, "running");
    let (old, new) = ([ready(a), ready(b)], [ready(c), ready(d)]);
    Setup { _app: app, ann, old, new }
}

impl Setup {
    fn all(&self) -> impl Iterator<Item = &Instance> {
        self.old.iter().chain(&self.new)
    }
}

const LISTS: [&str; 4] = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"];

#[test]
fn a_server_says_what_it_is_and_both_eras_are_told_the_same() {
    let setup = setup();
    for instance in setup.all() {
        let (stateless, session) = (setup.ann.stateless(instance), setup.ann.connect(instance));
        let discovered = stateless.request("server/discover", &json!({}));
        let (told, hello) = (&discovered["result"], &session.hello["result"]);
        let versions = told["supportedVersions"].as_array().unwrap();
        for version in [NOW, "2025-11-25", "2025-06-18", "2025-03-26"] {
            assert!(versions.contains(&json!(version)), "{told}");
        }
        assert_eq!(told["_meta"][SERVER_INFO], hello["serverInfo"]);
        assert_eq!(hello["serverInfo"]["name"], "conformance-server");
        assert_eq!(told["instructions"], hello["instructions"]);
        for name in ["tools", "prompts", "resources", "logging", "completions"] {
            assert_eq!(told["capabilities"][name], hello["capabilities"][name], "{name}");
            assert!(told["capabilities"][name].is_object(), "{name}");
        }
        assert_eq!(told["resultType"], "complete");
        assert!(told["ttlMs"].is_u64() && told["cacheScope"].is_string(), "{told}");
        for method in LISTS {
            let (mut new, old) = (stateless.request(method, &json!({})), session.request(method, &json!({})));
            let fields = new["result"].as_object_mut().unwrap();
            for name in ["resultType", "ttlMs", "cacheScope", "_meta"] {
                assert!(fields.remove(name).is_some(), "{method}: {name}");
            }
            let mut old = old["result"].clone();
            old.as_object_mut().unwrap().remove("_meta");
            assert_eq!(Value::from(fields.clone()), old, "{method}");
        }
    }
}

#[test]
fn results_of_a_child_with_sessions_say_what_this_era_wants_to_know() {
    let setup = setup();
    for instance in &setup.old {
        let client = setup.ann.stateless(instance);
        let cases = [
            ("tools/call", json!({ "name": "test_simple_text", "arguments": {} }), false),
            ("prompts/get", json!({ "name": "test_simple_prompt", "arguments": {} }), false),
            ("completion/complete", json!({ "ref": { "type": "ref/prompt", "name": "x" }, "argument": {} }), false),
            ("resources/read", json!({ "uri": "test://static-text" }), true),
        ];
        let lists = LISTS.map(|method| (method, json!({}), true));
        for (method, params, cacheable) in cases.into_iter().chain(lists) {
            let answer = client.request(method, &params);
            let result = &answer["result"];
            assert_eq!(result["resultType"], "complete", "{answer}");
            assert_eq!(result["_meta"][SERVER_INFO]["name"], "conformance-server", "{method}");
            // What the child has said nothing of must not be kept, least of all for somebody else.
            let hints = if cacheable { (json!(0), json!("private")) } else { (Value::Null, Value::Null) };
            assert_eq!((result["ttlMs"].clone(), result["cacheScope"].clone()), hints, "{method}");
        }
        let failed = client.call("test_error_handling", &json!({}));
        assert_eq!((&failed["result"]["isError"], &failed["result"]["resultType"]), (&json!(true), &json!("complete")));
    }
    for instance in &setup.new {
        let client = setup.ann.stateless(instance);
        let listed = client.request("tools/list", &json!({}));
        assert_eq!((&listed["result"]["ttlMs"], &listed["result"]["cacheScope"]), (&json!(1000), &json!("public")));
        // A client with sessions gets nothing of it.
        let plain = setup.ann.connect(instance).request("tools/list", &json!({}));
        for name in ["resultType", "ttlMs", "cacheScope"] {
            assert!(plain["result"].get(name).is_none(), "{name}");
        }
    }
}

/// The text of an answer as it came.
fn raw(client: &StatelessClient, tool: &str, arguments: &str) -> String {
    let message = client.message(&json!("raw"), "tools/call", &json!({ "name": tool, "arguments": {} }));
    let body = message.to_string().replace(r#""arguments":{}"#, &format!(r#""arguments":{arguments}"#));
    client.send(&Post::of(&message).body(body)).expect(200).text()
}

#[test]
fn payloads_keep_their_bytes_in_both_directions() {
    let app = TestApp::start();
    let ann = app.user("ann");
    // The child answers with the text exactly as it was spelled.
    let spelled = r#""\u00e9\/é \ud83d\ude00 \u0041 1.0 1e3""#;
    let arguments = format!(r#"{{ "z" : 1.0,  "text":{spelled}, "a":[1e3, -0.0, 12345678901234567890123], "a":2 }}"#);
    for service in ["fake", "fake-http"] {
        let client = ann.stateless(&ann.create(service));
        let echoed = raw(&client, "echo", &arguments);
        assert!(echoed.contains(&format!(r#""text":{spelled}"#)), "{service}: {echoed}");
        // And a child that shows what it was called with, number by number.
        let shown = raw(&client, "show", &arguments);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(text_of(&shown), arguments, "{service}");
        let odd = raw(&client, "odd", "{}");
        let odd_result = r#""zeta":1.0,"content":[{"type":"text","text":"\u0041\/"}],"alpha":[1e3,-0.0,1E+2,123456789012345678901234567890],"structuredContent":{"b":1,"a":{"\u0061":0.10}}"#;
        assert!(odd.contains(odd_result), "{service}: {odd}");
        let odd: Value = serde_json::from_str(&odd).unwrap();
        assert_eq!((&odd["id"], &odd["result"]["resultType"]), (&json!("raw"), &json!("complete")));
    }
}

#[test]
fn both_eras_at_once_on_one_child_never_mix() {
    let setup = setup();
    for instance in setup.all() {
        let (sessions, stateless): (Vec<_>, Vec<_>) =
            (0..3).map(|_| (setup.ann.fresh().connect(instance), setup.ann.fresh().stateless(instance))).unzip();
        thread::scope(|scope| {
            for (number, (session, stateless)) in sessions.iter().zip(&stateless).enumerate() {
                scope.spawn(move || {
                    for round in 0..30 {
                        let name = format!("session {number}/{round}");
                        assert_eq!(session.text("greet", &json!({ "name": name })), format!("Hello, {name}!"));
                    }
                });
                scope.spawn(move || {
                    for round in 0..30 {
                        let name = format!("stateless {number}/{round}");
                        assert_eq!(stateless.text("greet", &json!({ "name": name })), format!("Hello, {name}!"));
                    }
                });
            }
        });
    }
}

#[test]
fn ids_and_progress_tokens_keep_their_types_among_clients_that_use_the_same() {
    let setup = setup();
    for instance in setup.all() {
        let clients: Vec<StatelessClient> = (0..4).map(|_| setup.ann.fresh().stateless(instance)).collect();
        let ids = [json!(0), json!("0"), json!(0), json!(9_007_199_254_740_991_u64)];
        thread::scope(|scope| {
            for (client, id) in clients.iter().zip(&ids) {
                scope.spawn(move || reports(client, id));
            }
        });
    }
}

/// Calls a tool that reports its progress, under a token that others use as well.
fn reports(client: &StatelessClient, id: &Value) {
    let params =
        json!({ "name": "test_tool_with_progress", "arguments": {}, "_meta": { "progressToken": id.clone() } });
    let mut messages = client.post(&client.message(id, "tools/call", &params)).expect(200).messages();
    let answer = messages.pop().unwrap();
    assert_eq!((&answer["id"], text_of(&answer)), (id, "done".to_owned()));
    let told: Vec<(Value, Value)> = messages
        .iter()
        .map(|note| (note["params"]["progressToken"].clone(), note["params"]["progress"].clone()))
        .collect();
    assert_eq!(told, [0, 50, 100].map(|progress| (id.clone(), json!(progress))));
}
