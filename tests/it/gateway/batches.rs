//! Arrays of messages, which one version has and all others refuse.

use serde_json::{Value, json};

use crate::support::{TestApp, http::Reply, mcp::call, raw::RawClient};

const VERSION: &str = "2025-03-26";

fn code(reply: &Reply) -> Value {
    reply.json()["error"]["code"].clone()
}

#[test]
fn a_batch_is_answered_as_a_whole() {
    let app = TestApp::start();
    let ann = app.user("ann");
    for service in ["fake", "fake-http"] {
        let client = RawClient::open(&ann, &ann.create(service), VERSION, &json!({}));
        let batch = json!([
            call(&json!("a"), "set", &json!({ "key": "k", "value": "v" })),
            { "jsonrpc": "2.0", "method": "notifications/roots/list_changed" },
            { "jsonrpc": "2.0", "id": 9, "result": {} },
            call(&json!(1), "get", &json!({ "key": "k" })),
            { "jsonrpc": "2.0", "id": "b", "method": "no/such" },
        ]);
        let answers = client.post(&batch).expect(200).messages();
        let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
        assert_eq!(ids, [&json!("a"), &json!(1), &json!("b")], "{service}");
        assert_eq!(answers[1]["result"]["content"][0]["text"], "\"v\"");
        assert_eq!(answers[2]["error"]["code"], -32601);
        let silent = json!([{ "jsonrpc": "2.0", "method": "notifications/roots/list_changed" }, { "jsonrpc": "2.0", "id": 9, "result": {} }]);
        assert!(client.post(&silent).expect(202).body.is_empty());
    }
}

#[test]
fn a_batch_that_is_none_is_refused() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake");
    let client = RawClient::open(&ann, &instance, VERSION, &json!({}));
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let hello = crate::support::mcp::initialize(&json!(1), VERSION);
    let wrong =
        [json!([]), json!([ping, hello]), json!([ping, 7]), json!([[ping]]), Value::Array(vec![ping.clone(); 101])];
    for batch in wrong {
        assert_eq!(
            code(&client.post(&batch).expect(400)),
            -32600,
            "{}",
            batch.to_string().get(..60).unwrap_or_default()
        );
    }
    assert_eq!(client.post(&Value::Array(vec![ping.clone(); 100])).expect(200).messages().len(), 100);
    for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let other = RawClient::open(&ann, &instance, version, &json!({}));
        let refusal = other.post(&json!([ping])).expect(400);
        assert_eq!(code(&refusal), -32600);
        assert!(refusal.text().contains(version), "{}", refusal.text());
    }
    let nobody = RawClient { session: String::new(), ..client };
    nobody.post(&json!([ping])).expect(400);
}
