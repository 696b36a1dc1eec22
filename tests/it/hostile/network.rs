//! Sockets and ports of others, Berth's own included.

use serde_json::{Value, json};

use super::scene::{BARE, Party, Scene, builder};
use crate::support::{services::Service, wait_for};

#[test]
fn abstract_sockets_are_not_shared() {
    let scene = Scene::set();
    let name = format!("ann-{}", scene.ann.instance.id);
    scene.ann.does(&json!({ "kind": "abstract_bind", "name": name }));
    let connect = |name: &str| json!({ "kind": "abstract_connect", "name": name });
    scene.eve.cannot(&connect(&name));
    scene.ann.does(&connect(&name));

    let name = format!("{name}-bare");
    Party::of(&scene.unwalled.user, BARE).does(&json!({ "kind": "abstract_bind", "name": name }));
    scene.walls_stop(&connect(&name));
}

/// An HTTP service with a network of its own, as a service gets that does not ask for the host's.
fn fenced() -> Service {
    Service::http("fenced-http", &[]).with("network", json!("loopback"))
}

#[test]
fn the_port_of_another_instance_is_closed() {
    let app = builder().service(fenced()).start();
    let (ann, eve, admin) = (app.user("ann"), app.user("eve"), app.admin());
    let theirs = ann.create("fenced-http");
    let parties = [(&eve, super::scene::WALLED), (&eve, "fenced-http"), (&admin, BARE)];
    for party in parties.map(|(user, service)| Party::of(user, service)) {
        // Its own number may be the same: then it finds itself.
        if party.instance.view["port"] != theirs.view["port"] {
            for host in ["127.0.0.1", "0.0.0.0", "localhost"] {
                party.cannot(&json!({ "kind": "connect", "host": host, "port": theirs.port() }));
            }
        }
        party.is_well();
    }
    assert_eq!(ann.connect(&theirs).echo("through the front door"), "through the front door");
}

/// What `network = "open"` means for an HTTP child, said aloud: its port is on the loopback interface of
/// the host, for everybody who shares that.
#[test]
fn the_port_of_an_instance_on_the_hosts_network_is_the_hosts() {
    let app = builder().service(fenced()).start();
    let (ann, eve) = (app.user("ann"), app.user("eve"));
    let theirs = ann.create("fake-http");
    let connect = json!({ "kind": "connect", "port": theirs.port() });
    Party::of(&eve, "fenced-http").cannot(&connect);
    Party::of(&eve, super::scene::WALLED).does(&connect);
}

#[test]
fn the_control_api_wants_a_token() {
    let scene = Scene::set();
    let port: u16 = scene.app.url.rsplit(':').next().unwrap().parse().unwrap();
    let closed = |outcome: Value, what: &str| {
        let refused = outcome["error"].is_string() || outcome["ok"]["status"] == 401;
        assert!(refused, "{what}: {outcome}");
    };
    for path in ["/api/v1/mcps", "/api/v1/users", "/api/v1/tokens", "/api/v1/audit", "/api/v1/credentials"] {
        for token in ["", "bth_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "null"] {
            let get = json!({ "kind": "get", "port": port, "path": path, "token": token });
            closed(scene.eve.tries(&get), path);
            closed(scene.unwalled.tries(&get), path);
        }
    }
    let url = scene.ann.instance.url.trim_start_matches(&scene.app.url).to_owned();
    closed(scene.eve.tries(&json!({ "kind": "get", "port": port, "path": url })), &url);
    // The operator's token is in a file, which nobody reads: see `files`.
    let reply = scene.unwalled.does(&json!({ "kind": "get", "port": port, "path": "/health" }));
    assert_eq!(reply["status"], 200, "the question is put the right way: {reply}");
}

#[test]
fn a_service_without_network_reaches_nothing() {
    let foreign = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = foreign.local_addr().unwrap().port();
    let app = builder().service(Service::stdio("alone", &[]).with("network", json!("none"))).start();
    let (eve, bare) = (Party::of(&app.user("eve"), "alone"), Party::of(&app.admin(), BARE));
    let connect = json!({ "kind": "connect", "port": port });
    bare.does(&connect);
    eve.cannot(&connect);
    eve.cannot(&json!({ "kind": "connect", "host": "192.0.2.1", "port": 80 }));
}

/// Held ports make the next lease collide: the next instance gets another one, and is itself.
#[test]
fn a_port_that_somebody_holds_is_nobodys_trap() {
    for service in ["fake-http", "bare-http"] {
        let bare = Service::http("bare-http", &[]).with("sandbox", json!("off"));
        let app = builder().service(bare).start();
        let (admin, ann) = (app.admin(), app.user("ann"));
        let eve = Party::of(&admin, service);
        let first = app.ports().first();
        for port in first..first + 8 {
            for host in ["127.0.0.1", "0.0.0.0"] {
                eve.tries(&json!({ "kind": "bind", "host": host, "port": port }));
            }
        }
        for number in 0..3 {
            let instance = ann.create("fake-http");
            let client = ann.connect(&instance);
            client.text("set", &json!({ "key": "owner", "value": format!("ann {number}") }));
            assert_eq!(client.text("get", &json!({ "key": "owner" })), format!("\"ann {number}\""));
            assert_ne!(instance.port(), eve.instance.port());
        }
        eve.is_well();
    }
}

/// Whoever takes a port between its lease and its use is not taken for the instance.
#[test]
fn a_thief_of_a_port_hears_nothing() {
    let slow = Service::http("slow", &["--no-listen"]).start_seconds(3);
    let app = builder().service(slow).start();
    let ann = app.user("ann");
    let id = ann.order("slow").id;
    let port = wait_for("a port", || {
        let port = ann.show(&id).view["port"].as_u64()?;
        u16::try_from(port).ok()
    });
    let thief = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    thief.set_nonblocking(true).unwrap();
    wait_for("the start to be given up", || {
        let error = ann.show(&id).view["last_error"].to_string();
        error.contains(&format!("another process listens on port {port}")).then_some(())
    });
    let came = thief.accept();
    assert!(came.is_err(), "somebody spoke to the thief: {came:?}");
}
