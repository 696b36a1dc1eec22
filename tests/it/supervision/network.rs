//! Networks of instances: who reaches whom.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    thread,
};

use serde_json::{Value, json};

use crate::support::{Builder, McpClient, TestApp, services::Service, wait_for};

/// A server of this test's own that answers each connection with what it was told, behind a greeting.
struct StandIn {
    port: u16,
}

const GREETING: &str = "you said ";

impl StandIn {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || answer(stream));
            }
        });
        Self { port }
    }

    /// A name that leads to this machine, and the port.
    fn endpoint(&self) -> String {
        format!("stand-in.localhost:{}", self.port)
    }
}

fn answer(mut stream: TcpStream) {
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    let _ = stream.write_all(format!("{GREETING}{said}").as_bytes());
}

fn with_network(name: &str, network: Value) -> Service {
    Service::stdio(name, &[]).with("network", network)
}

fn listed(stand_in: &StandIn) -> Service {
    with_network("listed", json!({ "allow_list": [stand_in.endpoint()] }))
}

fn connect(client: &McpClient, host: &str, port: u16) -> String {
    client.text("connect", &json!({ "host": host, "port": port, "text": "hello" }))
}

fn metric(app: &TestApp, name: &str) -> u64 {
    let text = app.client().get("/metrics").text;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
}

#[test]
fn the_port_of_a_closed_http_server_is_for_berth_alone() {
    for network in [json!("none"), json!("loopback")] {
        let closed = Service::http("closed", &[]).with("network", network);
        let app = Builder::default().service(closed).start();
        let (ann, bob) = (app.user("ann"), app.user("bob"));
        let instance = ann.create("closed");
        let client = ann.connect(&instance);
        assert_eq!(client.echo("through the door"), "through the door");
        let port = instance.port();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "this process has no business there");
        let neighbour = bob.connect(&bob.create("fake"));
        assert_eq!(connect(&neighbour, "127.0.0.1", port), "error: ConnectionRefused", "nor has a neighbour");
        let another = bob.connect(&bob.create("closed"));
        assert_eq!(connect(&another, "127.0.0.1", port), "error: ConnectionRefused", "nor has one of its kind");
        assert_ne!(connect(&client, "127.0.0.1", port), "error: ConnectionRefused", "it has itself");
    }
}

#[test]
fn a_closed_http_server_is_reached_again_after_its_restart() {
    let app = Builder::default().service(Service::http("closed", &[]).with("network", json!("none"))).start();
    let ann = app.user("ann");
    let instance = ann.create("closed");
    let client = ann.connect(&instance);
    assert_eq!(client.echo("before"), "before");
    crate::support::procs::kill(instance.pid());
    ann.wait_for_successor(&instance);
    assert_eq!(client.echo("after"), "after");
}

#[test]
fn an_allow_list_is_all_that_is_reached() {
    let (stand_in, other) = (StandIn::start(), StandIn::start());
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let app = Builder::default()
        .service(listed(&stand_in))
        .set("allow_private_targets", stand_in.endpoint().as_str())
        .start();
    let ann = app.user("ann");
    let client = ann.connect(&ann.create("listed"));
    assert_eq!(connect(&client, "stand-in.localhost", stand_in.port), "you said hello");
    for (host, port, outcome) in [
        ("stand-in.localhost", other.port, "error: ConnectionRefused"),
        ("127.0.0.1", stand_in.port, "error: ConnectionRefused"),
        ("other.localhost", stand_in.port, "error: NotFound"),
        ("example.com", 443, "error: NotFound"),
        ("1.1.1.1", 443, "error: NetworkUnreachable"),
        ("169.254.169.254", 80, "error: NetworkUnreachable"),
        ("::1", stand_in.port, "error: ConnectionRefused"),
    ] {
        let got = connect(&client, host, port);
        // No name server is there; `localhost` names are this machine itself for some resolvers.
        let own = host.ends_with(".localhost") && got == "error: ConnectionRefused";
        assert!(own || got == outcome || host == "::1" && got.starts_with("error"), "{host}:{port}: {got}");
    }
    let held = client.whoami()["fds"].clone();
    let sockets = held.as_object().unwrap().values().filter(|what| what.as_str().unwrap().starts_with("socket:"));
    assert_eq!(sockets.count(), 0, "it holds an end of its door: {held}");
    let datagram = |host: &str, port: u16| client.text("datagram", &json!({ "host": host, "port": port, "text": "x" }));
    datagram("127.0.0.1", datagrams.local_addr().unwrap().port());
    assert_eq!(datagram("1.1.1.1", 53), "error: NetworkUnreachable");
    assert!(datagrams.recv(&mut [0; 8]).is_err(), "a datagram came through");
    wait_for("the end to be counted", || (metric(&app, "berth_outside_sent_bytes_total") == 5).then_some(()));
    assert_eq!(metric(&app, "berth_outside_connections_total"), 1);
    assert_eq!(metric(&app, "berth_outside_received_bytes_total"), 14);
    assert_eq!(metric(&app, "berth_outside_refused_total"), 0);
}

#[test]
fn an_ordinary_user_builds_the_same_networks() {
    let stand_in = StandIn::start();
    let app = Builder::default()
        .by_ordinary_user()
        .service(listed(&stand_in))
        .service(Service::http("closed", &[]).with("network", json!("none")))
        .set("allow_private_targets", stand_in.endpoint().as_str())
        .start();
    let ann = app.user("ann");
    let instance = ann.create("closed");
    assert_eq!(ann.connect(&instance).echo("through the door"), "through the door");
    assert!(TcpStream::connect(("127.0.0.1", instance.port())).is_err());
    let client = ann.connect(&ann.create("listed"));
    assert_eq!(connect(&client, "stand-in.localhost", stand_in.port), "you said hello");
    assert_eq!(connect(&client, "127.0.0.1", stand_in.port), "error: ConnectionRefused");
}

#[test]
fn low_ports_can_be_listed_and_what_stands_is_shown() {
    let app = Builder::default()
        .service(with_network("low", json!({ "allow_list": ["a.localhost:443", "b.localhost:443"] })))
        .service(with_network("loopback", json!("loopback")))
        .start();
    let ann = app.user("ann");
    let low = ann.create("low");
    // Accepted behind the door, and refused at it.
    assert_eq!(connect(&ann.connect(&low), "b.localhost", 443), "error: ConnectionReset");
    let wall = |service: &str| {
        let view = ann.create(service).view;
        let walls = view["walls"].as_array().unwrap().clone();
        walls.into_iter().find(|wall| wall["name"] == "network").unwrap()
    };
    assert_eq!(wall("low")["detail"], "a network of its own, 2 targets outside allowed");
    assert_eq!(wall("loopback")["detail"], "a network of its own, loopback only");
    assert_eq!(wall("fake")["state"], "not_asked");
}

#[test]
fn an_open_http_server_takes_its_own_port_only() {
    let app = TestApp::start();
    let ann = app.user("ann");
    let instance = ann.create("fake-http");
    let client = ann.connect(&instance);
    assert_eq!(client.echo("in the host's network"), "in the host's network");
    assert_eq!(client.text("bind", &json!({ "port": 0 })), "error: PermissionDenied");
    assert_eq!(client.text("bind", &json!({ "port": instance.port() })), "error: AddrInUse");
}

#[test]
fn a_listed_name_that_leads_into_a_private_network_is_refused_and_logged() {
    let stand_in = StandIn::start();
    let app = Builder::default().service(listed(&stand_in)).start();
    let ann = app.user("ann");
    let instance = ann.create("listed");
    assert_eq!(connect(&ann.connect(&instance), "stand-in.localhost", stand_in.port), "error: ConnectionReset");
    assert_eq!(metric(&app, "berth_outside_refused_total"), 1);
    let path = format!("/api/v1/mcps/{}/logs?stream=error", instance.id);
    let words = format!("no connection to {}: it is an address of this machine", stand_in.endpoint());
    wait_for("the refusal to be logged", || {
        ann.http.get(&path).expect(200).json()["lines"].to_string().contains(&words).then_some(())
    });
}

#[test]
fn a_server_without_a_network_has_no_interface() {
    let stand_in = StandIn::start();
    let app = Builder::default()
        .service(with_network("none", json!("none")))
        .service(with_network("loopback", json!("loopback")))
        .service(with_network("open", json!("open")))
        .start();
    let ann = app.user("ann");
    for (service, outcome) in
        [("none", "error: NetworkUnreachable"), ("loopback", "error: ConnectionRefused"), ("open", "you said hello")]
    {
        let client = ann.connect(&ann.create(service));
        assert_eq!(connect(&client, "127.0.0.1", stand_in.port), outcome, "{service}");
        assert_eq!(client.echo(service), service);
    }
}
