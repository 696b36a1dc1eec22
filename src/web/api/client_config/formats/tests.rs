use proptest::prelude::*;

use super::*;
use crate::catalog::import;

const ALL: [Client; 5] = [Client::ClaudeDesktop, Client::ClaudeCode, Client::Cursor, Client::Vscode, Client::Generic];

fn entries() -> Vec<Entry> {
    vec![Entry { name: "gmail-1".to_owned(), url: "https://b.example/gmail/0198/mcp".to_owned() }]
}

fn document(client: Client, proof: Proof<'_>) -> Value {
    Export::new(client, &entries(), proof).document
}

#[test]
fn documents_are_what_clients_read() {
    let url = "https://b.example/gmail/0198/mcp";
    let http = |header: &str| json!({ "type": "http", "url": url, "headers": { "Authorization": header } });
    let cases = [
        (Client::ClaudeCode, Proof::Placeholder, json!({"mcpServers": {"gmail-1": http("Bearer ${BERTH_TOKEN}")}})),
        (Client::ClaudeCode, Proof::SignIn, json!({"mcpServers": {"gmail-1": {"type": "http", "url": url}}})),
        (
            Client::Cursor,
            Proof::Placeholder,
            json!({"mcpServers": {"gmail-1": {"url": url, "headers": {"Authorization": "Bearer ${env:BERTH_TOKEN}"}}}}),
        ),
        (
            Client::Vscode,
            Proof::Placeholder,
            json!({
                "inputs": [{"type": "promptString", "id": "berth-token", "description": "API token of Berth", "password": true}],
                "servers": {"gmail-1": http("Bearer ${input:berth-token}")},
            }),
        ),
        (Client::Vscode, Proof::Token("bth_x"), json!({"servers": {"gmail-1": http("Bearer bth_x")}})),
        (
            Client::Generic,
            Proof::Placeholder,
            json!({"mcpServers": {"gmail-1": {"type": "streamable-http", "url": url}}}),
        ),
        (
            Client::ClaudeDesktop,
            Proof::Token("bth_x"),
            json!({"mcpServers": {"gmail-1": {
                "command": "npx",
                "args": ["-y", BRIDGE, url, "--transport", "http-only", "--header", "Authorization:${BERTH_AUTHORIZATION}"],
                "env": {"BERTH_AUTHORIZATION": "Bearer bth_x"},
            }}}),
        ),
    ];
    for (client, proof, expected) in cases {
        assert_eq!(document(client, proof), expected, "{client:?}");
    }
}

#[test]
fn links_hold_the_same_server() {
    let export = Export::new(Client::Cursor, &entries(), Proof::Token("bth_x"));
    let url: url::Url = export.links[0].url.parse().unwrap();
    let pairs: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
    let config: Value = serde_json::from_slice(&STANDARD.decode(&pairs["config"]).unwrap()).unwrap();
    assert_eq!((pairs["name"].as_str(), &config), ("gmail-1", &export.document["mcpServers"]["gmail-1"]));
    let export = Export::new(Client::Vscode, &entries(), Proof::Placeholder);
    let query = export.links[0].url.strip_prefix("vscode:mcp/install?").unwrap();
    let config = percent_encoding::percent_decode_str(query).decode_utf8().unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!((&config["name"], &config["inputs"]), (&json!("gmail-1"), &export.document["inputs"]));
    let export = Export::new(Client::ClaudeCode, &entries(), Proof::Placeholder);
    let line = "claude mcp add --transport http gmail-1 https://b.example/gmail/0198/mcp \
                --header \"Authorization: Bearer ${BERTH_TOKEN}\"";
    assert_eq!(export.commands, [line]);
    assert_eq!(quoted("a b'c"), "'a b'\\''c'");
}

proptest! {
    #[test]
    fn what_is_exported_is_imported_with_its_url(
        name in "[a-z][a-z0-9]{0,10}-[1-9]", host in "[a-z]{1,9}\\.example", path in "(/[a-z0-9-]{1,12}){1,3}/mcp", secure: bool,
    ) {
        let url = format!("{}://{host}{path}", if secure { "https" } else { "http" });
        let entries = [Entry { name: name.clone(), url: url.clone() }];
        for client in ALL {
            for proof in [Proof::Token("bth_0123456789abcdefABCDEF"), Proof::Placeholder, Proof::SignIn] {
                let document = Export::new(client, &entries, proof).document;
                let mut found = import::read(&document.to_string()).unwrap();
                let found = found.remove(0);
                prop_assert_eq!(&found.source, &name);
                let server = match found.server {
                    Ok(server) => server,
                    Err(reason) => panic!("{reason}: {document}"),
                };
                let launch = serde_json::to_value(&server.manifest.launch).unwrap();
                prop_assert_eq!(&launch["url"], &json!(url));
                let header = server.manifest.credential.header.as_deref();
                let expected = proof.as_known_to(client).header(client).map(|_| "Authorization");
                prop_assert_eq!(header, expected);
            }
        }
    }
}
