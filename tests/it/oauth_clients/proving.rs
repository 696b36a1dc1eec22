//! How clients prove who they are at the token endpoint.

use base64::{Engine, engine::general_purpose::STANDARD};
use berth::domain::time::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};

use super::{NO_CODE, believed, not_believed, post_as, register, text};
use crate::support::{
    TestApp,
    oauth::{REDIRECT, post, public_client, refused, secret_client},
};

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

#[test]
fn by_a_secret_in_one_place() {
    let app = TestApp::start();
    secret_client(&app, "a b", &[REDIRECT], "s:e+c%&=t");
    public_client(&app, "open", &[REDIRECT]);
    let ask = |header: &str, form: &[(&str, &str)]| post_as(&app, header, "/oauth/token", &[NO_CODE, form].concat());
    // RFC 6749 section 2.3.1: both halves are encoded.
    let right = basic("a+b", "s%3Ae%2Bc%25%26%3Dt");
    refused(&ask(&right, &[]), 400, "invalid_grant");
    refused(&ask(&right, &[("client_id", "a b")]), 400, "invalid_grant");
    believed(&app, &[("client_id", "a b"), ("client_secret", "s:e+c%&=t")]);
    for wrong in [basic("a+b", "nothing"), basic("nobody", "x"), basic("open", "x"), "Basic x".to_owned()] {
        let reply = ask(&wrong, &[]);
        refused(&reply, 401, "invalid_client");
        assert!(reply.header("www-authenticate").starts_with("Basic"), "{wrong}");
    }
    for form in [&[("client_secret", "s:e+c%&=t")][..], &[("client_id", "open")], &[("client_assertion", "x")]] {
        refused(&ask(&right, form), 400, "invalid_request");
    }
    not_believed(&app, &[("client_id", "a b")]);
    not_believed(&app, &[("client_id", "open"), ("client_secret", "x")]);
    not_believed(&app, &[]);
    believed(&app, &[("client_id", "open")]);
}

/// An Ed25519 key of this seed (RFC 8410 section 7).
fn key(seed: u8) -> EncodingKey {
    let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    EncodingKey::from_ed_der(&[&head[..], &[seed; 32]].concat())
}

fn claims(app: &TestApp, id: &str, jti: &str) -> Value {
    let now = Timestamp::now().0 / 1000;
    json!({ "iss": id, "sub": id, "aud": app.url, "iat": now, "exp": now + 300, "jti": jti })
}

fn sign(key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(Algorithm::EdDSA), claims, key).unwrap()
}

#[test]
fn by_a_signature_that_is_used_once() {
    TestApp::each(|app| {
        let own = key(7);
        let public = serde_json::to_value(Jwk::from_encoding_key(&own, Algorithm::EdDSA).unwrap()).unwrap();
        let metadata = json!({
            "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [public] },
        });
        let client = register(app, &metadata);
        assert!(client["client_secret"].is_null() && client["jwks"]["keys"][0]["x"].is_string());
        let id = text(&client, "client_id");
        let first = sign(&own, &claims(app, &id, "1"));
        believed(app, &[("client_assertion_type", KIND), ("client_assertion", &first)]);
        let again = not_believed(app, &[("client_assertion_type", KIND), ("client_assertion", &first)]);
        assert!(again.contains("used before"), "{again}");
        let mut endpoint = claims(app, &id, "2");
        endpoint["aud"] = format!("{}/oauth/token", app.url).into();
        let second = sign(&own, &endpoint);
        believed(app, &[("client_id", &id), ("client_assertion_type", KIND), ("client_assertion", &second)]);
        let mut elsewhere = claims(app, &id, "3");
        elsewhere["aud"] = "https://other.example".into();
        for wrong in [sign(&own, &elsewhere), sign(&key(8), &claims(app, &id, "4"))] {
            not_believed(app, &[("client_assertion_type", KIND), ("client_assertion", &wrong)]);
        }
        not_believed(app, &[("client_id", &id)]);
        let third = sign(&own, &claims(app, &id, "5"));
        let two_ways = [("client_assertion_type", KIND), ("client_assertion", &third), ("client_secret", "x")];
        refused(&post(app, "/oauth/token", &[NO_CODE, &two_ways].concat()), 400, "invalid_request");
        let foreign = [("client_id", "other"), ("client_assertion_type", KIND), ("client_assertion", &third)];
        assert_eq!(post(app, "/oauth/token", &[NO_CODE, &foreign].concat()).status, 401);
    });
}
