//! What the dashboard is made of: its page, its files, the stream of states, tools that are tried.

use std::io::{BufRead, BufReader};

use serde_json::{Value, json};

use crate::support::{TestApp, browser::Browser, http::Http, text};

/// The files that the page names.
fn files_of(page: &str) -> Vec<String> {
    let attributes = page.split(['"']).filter(|part| part.starts_with("/assets/"));
    attributes.map(str::to_owned).collect()
}

#[test]
fn the_page_is_for_those_who_are_signed_in() {
    let app = TestApp::start();
    app.client_of("ann@example.org");
    let nobody = Browser::new(&app);
    let answer = nobody.get("/app/instances/x/logs?stream=access");
    let next = "/login?next=%2Fapp%2Finstances%2Fx%2Flogs%3Fstream%3Daccess";
    assert_eq!((answer.status, answer.header("location")), (303, Some(next)));
    let ann = Browser::signed_in(&app, "ann@example.org");
    assert_eq!(ann.get("/app").header("location"), Some("/app/"));
    for path in ["/app/", "/app/catalog", "/app/instances/x/logs"] {
        let page = ann.get(path);
        assert_eq!(page.status, 200, "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(page.header("cache-control"), Some("private, no-cache"));
        assert!(!page.text.contains("ann@example.org"), "it holds nothing of anybody");
        assert!(!page.text.contains("<style") && !page.text.contains("style=") && !page.text.contains("{version}"));
        assert!(page.text.contains("modulepreload"));
    }
}

#[test]
fn its_files_are_small_stay_and_are_there() {
    let app = TestApp::start();
    app.client_of("ann@example.org");
    let page = Browser::signed_in(&app, "ann@example.org").get("/app/").text;
    let files = files_of(&page);
    assert!(files.len() > 10, "{files:?}");
    let http = Http::new(&app.url, None);
    let mut sum = 0;
    for file in &files {
        let answer = http.send("GET", file, &[("accept-encoding", "br")], None).expect(200);
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(answer.header("content-encoding"), "br");
        sum += answer.body.len();
        http.send("GET", file, &[("if-none-match", answer.header("etag"))], None).expect(304);
    }
    assert!(sum < 120 * 1024, "the first page is {sum} bytes");
    let earlier = files[0].replacen(files[0].split('/').nth(2).unwrap(), "0123456789abcdef", 1);
    app.client().get(&earlier).refused(404, "not_found");
    for outside in ["../Cargo.toml", "..%2fCargo.toml", "vendor/README.md", "index.htm"] {
        let path = format!("/assets/{}/{outside}", files[0].split('/').nth(2).unwrap());
        assert_eq!(app.client().get(&path).status, 404, "{path}");
    }
}

/// The next event with this name, and its data.
fn event(lines: &mut impl Iterator<Item = std::io::Result<String>>, name: &str) -> Value {
    let mut current = String::new();
    for line in lines {
        let line = line.unwrap();
        if let Some(event) = line.strip_prefix("event: ") {
            current = event.to_owned();
        } else if let Some(data) = line.strip_prefix("data: ")
            && current == name
        {
            return serde_json::from_str(data).unwrap();
        }
    }
    panic!("the stream ended before {name}");
}

#[test]
fn states_come_as_they_change_and_only_ones_own() {
    let app = TestApp::start();
    let (ann, bob) = (app.client_of("ann@example.org"), app.client_of("bob@example.org"));
    let first = text(&ann.create(&json!({ "service": "fake" })), "id");
    ann.wait_for(&first, "running");
    let http = Http::new(&app.url, Some(ann.token()));
    let (status, body) = http.open("GET", "/api/v1/mcps/stream", &[], None);
    assert_eq!(status, 200);
    let mut news = BufReader::new(body).lines();
    assert_eq!(event(&mut news, "ready"), json!({ &first: "running" }));
    let foreign = text(&bob.create(&json!({ "service": "fake" })), "id");
    bob.wait_for(&foreign, "running");
    let second = text(&ann.create(&json!({ "service": "fake", "label": "second" })), "id");
    loop {
        let view = event(&mut news, "instance");
        assert_ne!(text(&view, "id"), foreign);
        if text(&view, "id") == second && text(&view, "status") == "running" {
            assert_eq!(text(&view, "label"), "second");
            break;
        }
    }
    ann.post(&format!("/api/v1/mcps/{first}/toggle"), &json!({})).expect(200);
    while text(&event(&mut news, "instance"), "status") != "stopped" {}
    ann.send("DELETE", &format!("/api/v1/mcps/{second}"), None).expect(204);
    assert_eq!(event(&mut news, "gone"), json!({ "id": second }));
    bob.get("/api/v1/mcps/stream?all=true").refused(403, "forbidden");
    app.cli(&["user", "disable", "ann@example.org"], "");
    assert!(news.all(|line| line.is_ok_and(|line| !line.contains(&foreign))), "it ends, and told nothing of others");
}

#[test]
fn a_tool_is_tried_with_the_sign_in_alone() {
    let app = TestApp::start();
    let client = app.client_of("ann@example.org");
    let bob = app.client_of("bob@example.org");
    let made = client.create(&json!({ "service": "fake" }));
    let id = text(&client.wait_for(&text(&made, "id"), "running"), "id");
    let (list, call) = (format!("/api/v1/mcps/{id}/tools"), format!("/api/v1/mcps/{id}/tools/call"));
    let body = json!({ "name": "echo", "arguments": { "text": "hello" } });
    let ann = Browser::signed_in(&app, "ann@example.org");
    let tools = ann.api("GET", &list, &Value::Null).expect(200);
    assert!(tools["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "echo"));
    assert_eq!(ann.api("POST", &call, &body).expect(200)["content"][0]["text"], "hello");
    assert_eq!(client.post(&call, &body).expect(200)["content"][0]["text"], "hello", "a token is good, too");

    let cookie = format!("berth_session={}", ann.cookie("berth_session").unwrap());
    let browser = app.client().with("cookie", &cookie);
    browser.post(&call, &body).refused(403, "csrf_failed");
    let foreign =
        browser.with("origin", "https://evil.example").with("x-csrf-token", text(&ann.me(), "csrf_token").as_str());
    foreign.post(&call, &body).refused(403, "origin_refused");
    app.client().post(&call, &body).refused(401, "unauthenticated");
    bob.post(&call, &body).refused(404, "not_found");
    bob.get(&list).refused(404, "not_found");
    let only = |limit: Value| {
        let token = client.post("/api/v1/tokens", &limit).expect(201);
        app.client().with_token(&text(&token, "token"))
    };
    only(json!({ "instances": [id], "tools": ["whoami"] })).post(&call, &body).refused(403, "forbidden");
    only(json!({ "instances": [id], "read_only": true })).post(&call, &body).refused(403, "forbidden");
    // The gateway itself takes no cookie.
    let gateway = format!("/fake/{id}/mcp/call");
    browser.post(&gateway, &body).refused(401, "unauthenticated");
}
