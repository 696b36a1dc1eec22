//! What clients find out before anybody has signed in.

use serde_json::json;

use crate::support::{TestApp, http::Http};

const SERVER: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

#[test]
fn the_server_describes_itself_under_the_name_that_was_asked_for() {
    let app = TestApp::start();
    let localhost = app.url.replace("127.0.0.1", "localhost");
    for base in [&app.url, &localhost] {
        let http = Http::new(base, None);
        let [one, other] = SERVER.map(|path| http.get(path).expect(200).json());
        assert_eq!(one, other);
        assert_eq!(one["issuer"], **base);
        for name in ["authorization", "token", "registration", "revocation", "introspection", "device_authorization"] {
            let endpoint = one[format!("{name}_endpoint")].as_str().unwrap_or_else(|| panic!("no {name} in {one}"));
            assert!(endpoint.starts_with(&format!("{base}/oauth/")), "{endpoint}");
        }
        assert_eq!(one["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(one["response_types_supported"], json!(["code"]));
        assert_eq!(one["scopes_supported"], json!(["mcp:read", "mcp:call"]));
        assert_eq!(one["authorization_response_iss_parameter_supported"], true);
        assert_eq!(one["client_id_metadata_document_supported"], true);
        let methods = one["token_endpoint_auth_methods_supported"].as_array().unwrap();
        assert!(["none", "private_key_jwt"].iter().all(|name| methods.contains(&json!(name))), "{methods:?}");
    }
}

#[test]
fn below_a_path_every_place_is_served_and_no_other() {
    let app = TestApp::builder().set("public_url", "https://gw.example/mcps/").start();
    let http = Http::new(&app.url, None);
    let found = [
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/mcps",
        "/.well-known/openid-configuration/mcps",
        "/mcps/.well-known/openid-configuration",
        "/mcps/.well-known/oauth-authorization-server",
    ];
    for path in found {
        let metadata = http.get(path).expect(200).json();
        assert_eq!(metadata["issuer"], "https://gw.example/mcps", "{path}");
        assert_eq!(metadata["token_endpoint"], "https://gw.example/mcps/oauth/token");
    }
    // Of another issuer a client must not believe us; it looks further when it finds nothing.
    for path in ["/.well-known/oauth-authorization-server/fake/1/mcp", "/fake/1/mcp/.well-known/openid-configuration"] {
        http.get(path).expect(404);
    }
    let resource = http.get("/.well-known/oauth-protected-resource/mcps/fake/x/mcp").expect(200).json();
    assert_eq!(resource["resource"], "https://gw.example/mcps/fake/x/mcp");
    let refused = http.get("/fake/x/mcp").expect(401);
    let expected = "resource_metadata=\"https://gw.example/mcps/.well-known/oauth-protected-resource/fake/x/mcp\"";
    assert!(refused.header("www-authenticate").contains(expected));
}

#[test]
fn every_endpoint_has_metadata_that_name_it_whether_it_is_there_or_not() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.order("fake");
    let http = Http::new(&app.url, None);
    let slug_url = instance.view["slug_url"].as_str().unwrap();
    let there = [instance.url.clone(), instance.beside("/sse"), slug_url.to_owned(), format!("{}/", instance.url)];
    let not_there =
        [format!("{}/fake/01990000-0000-7000-8000-000000000000/mcp", app.url), format!("{}/x/y/sse", app.url)];
    for endpoint in there.iter().chain(&not_there) {
        let path = endpoint.strip_prefix(&app.url).unwrap();
        let mut metadata = http.get(&format!("/.well-known/oauth-protected-resource{path}")).expect(200).json();
        assert_eq!(metadata["resource"], **endpoint);
        metadata["resource"] = json!("");
        assert_eq!(
            metadata,
            json!({
                "resource": "", "authorization_servers": [app.url], "scopes_supported": ["mcp:read", "mcp:call"],
                "bearer_methods_supported": ["header"], "resource_name": "Berth",
            })
        );
    }
    let whole = http.get("/.well-known/oauth-protected-resource").expect(200).json();
    assert_eq!(whole["resource"], app.url);
    http.get("/.well-known/oauth-protected-resource/api/v1/tokens").expect(404);
}

#[test]
fn pages_of_any_origin_may_look_and_ask_for_tokens_and_for_nothing_else() {
    let app = TestApp::start();
    let http = Http::new(&app.url, None);
    let origin = [("origin", "https://inspector.example"), ("access-control-request-method", "POST")];
    for path in [SERVER[0], SERVER[1], "/.well-known/oauth-protected-resource/fake/x/mcp"] {
        let reply = http.send("GET", path, &origin, None).expect(200);
        assert_eq!(reply.header("access-control-allow-origin"), "*");
    }
    for path in ["/oauth/token", "/token", "/oauth/revoke"] {
        let preflight = http.send("OPTIONS", path, &origin, None).expect(204);
        assert_eq!(preflight.header("access-control-allow-origin"), "*");
        assert_eq!(preflight.header("access-control-allow-methods"), "POST");
        assert!(preflight.header("access-control-allow-headers").contains("authorization"));
        let refused = http.send("POST", path, &origin, Some(b"")).expect(400);
        assert_eq!(refused.header("access-control-allow-origin"), "*");
        assert_eq!(refused.header("access-control-allow-credentials"), "");
    }
    for path in ["/oauth/authorize", "/oauth/introspect", "/oauth/consent", "/api/v1/grants"] {
        for method in ["GET", "POST", "OPTIONS"] {
            let reply = http.send(method, path, &origin, None);
            assert!(reply.status >= 400 && reply.header("access-control-allow-origin").is_empty(), "{method} {path}");
        }
    }
}
