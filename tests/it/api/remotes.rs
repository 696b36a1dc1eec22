//! Remote servers that somebody names: a user's must not lead into the network that Berth stands in.

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use serde_json::{Value, json};

use crate::support::{Client, TestApp, text, wait_for};

/// Somebody who is not to be reached; how often they were.
struct Inside {
    port: u16,
    reached: Arc<AtomicUsize>,
}

impl Inside {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, reached) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&reached);
        // What is asked is not answered.
        thread::spawn(move || {
            listener.incoming().flatten().for_each(|_| {
                count.fetch_add(1, SeqCst);
            });
        });
        Self { port, reached }
    }

    fn reached(&self) -> usize {
        self.reached.load(SeqCst)
    }
}

/// Adds the service and makes an instance of it; how that failed.
fn fails(client: &Client, name: &str, url: &str) -> Value {
    let launch = json!({ "kind": "remote", "url": url });
    let manifest = json!({ "name": name, "display_name": name, "transport": "http", "launch": launch });
    client.post("/api/v1/services", &manifest).expect(201);
    let made = client.create(&json!({ "service": name }));
    let path = format!("/api/v1/mcps/{}", text(&made, "id"));
    wait_for("its failure", || {
        let view = client.get(&path).expect(200);
        view["last_error"].is_object().then(|| view["last_error"].clone())
    })
}

#[test]
fn a_users_does_not_lead_into_this_network() {
    let inside = Inside::start();
    let app = TestApp::builder().set("user_services", "true").start();
    let (ann, root) = (app.client_of("ann@example.org"), app.admin_client("root@example.org"));
    let hosts = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"];
    for (number, host) in hosts.into_iter().enumerate() {
        let told = fails(&ann, &format!("inside-{number}"), &format!("http://{host}:{}/mcp", inside.port));
        assert!(told.to_string().contains("allow_private_targets"), "{host}: {told}");
    }
    fails(&ann, "metadata", "http://169.254.169.254/latest/meta-data");
    assert_eq!(inside.reached(), 0);
    // An administrator may run programs here anyway.
    fails(&root, "own-network", &format!("http://127.0.0.1:{}/mcp", inside.port));
    assert!(inside.reached() > 0);
}

#[test]
fn what_the_operator_allows_a_user_reaches() {
    let inside = Inside::start();
    let app = TestApp::builder().set("user_services", "true").set("allow_private_targets", "127.0.0.1").start();
    fails(&app.client_of("ann@example.org"), "allowed", &format!("http://127.0.0.1:{}/mcp", inside.port));
    assert!(inside.reached() > 0);
}
