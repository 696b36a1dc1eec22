//! A session's life, over both transports.

use serde_json::json;

use crate::support::{
    McpClient, TestApp,
    http::Http,
    mcp::{VERSION, initialize},
};

#[test]
fn a_session_opens_calls_and_ends() {
    for app in TestApp::each_backend() {
        let ann = app.user("ann");
        for service in ["fake", "fake-http"] {
            let client = ann.connect(&ann.create(service));
            assert_eq!(client.hello["result"]["protocolVersion"], VERSION);
            assert_eq!(client.hello["result"]["serverInfo"]["name"], "fake-mcp");
            assert_eq!(client.echo("hello"), "hello");
            let tools = client.request("tools/list", &json!({}));
            assert!(tools["result"]["tools"].as_array().is_some_and(|tools| tools.len() > 20), "{tools}");
            assert_eq!(client.request("no/such", &json!({}))["error"]["code"], -32601);
            assert!((200..300).contains(&client.close().status));
            let gone = client.post(&json!({ "jsonrpc": "2.0", "id": 9, "method": "ping" })).expect(404);
            assert_eq!((&gone.json()["id"], &gone.json()["error"]["code"]), (&json!(9), &json!(-32001)), "{service}");
            client.close().expect(404);
        }
    }
}

#[test]
fn each_client_gets_the_version_that_it_asks_for() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let instance = ann.create(service);
        let agreed = |asked: &str| {
            let client = McpClient::open(&ann.http, &instance.url);
            let answer = client.http.send(
                "POST",
                &instance.url,
                &[("content-type", "application/json")],
                Some(&serde_json::to_vec(&initialize(&json!("a"), asked)).unwrap()),
            );
            let answer = answer.expect(200).messages().pop().unwrap();
            assert_eq!(answer["id"], "a");
            answer["result"]["protocolVersion"].as_str().unwrap().to_owned()
        };
        for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
            assert_eq!(agreed(version), version, "{service}");
        }
        assert_eq!(agreed("1999-01-01"), "2025-11-25", "{service}");
    }
}

#[test]
fn a_session_is_found_by_its_owner_on_its_instance_only() {
    let app = TestApp::start();
    let (ann, bob) = (app.user("ann"), app.user("bob"));
    let (one, two) = (ann.create("fake"), ann.create("fake"));
    let client = ann.connect(&one);
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });

    let ask = |http: &Http, url: &str, session: Option<&str>| {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(session.map(|session| ("mcp-session-id", session)));
        http.send("POST", url, &headers, Some(&serde_json::to_vec(&ping).unwrap()))
    };
    ask(&ann.http, &one.url, Some(&client.session)).expect(200);
    ask(&ann.http, &two.url, Some(&client.session)).expect(404);
    ask(&ann.http, &one.url, Some(&"0".repeat(32))).expect(404);
    ask(&ann.http, &one.url, Some("../../etc")).expect(404);
    ask(&ann.http, &one.url, None).expect(400);
    // Of somebody else's instance nobody learns that it exists.
    let foreign = ask(&bob.http, &one.url, Some(&client.session)).expect(404);
    let nowhere = one.url.replace(&one.id, "01890000-0000-7000-8000-000000000000");
    let unknown = ask(&bob.http, &nowhere, Some(&client.session)).expect(404);
    assert_eq!(foreign.json()["detail"], unknown.json()["detail"]);
    assert_eq!(client.echo("still mine"), "still mine");
}

#[test]
fn no_token_and_a_wrong_one_are_told_how_to_sign_in() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    for token in [None, Some("bth_wrong"), Some("")] {
        let http = ann.http.with_token(token);
        for reply in [http.get(&instance.url), http.post(&instance.url, &json!({})), http.get("/api/v1/mcps")] {
            let reply = reply.expect(401);
            assert!(reply.header("www-authenticate").starts_with("Bearer"), "{token:?}");
        }
    }
}
