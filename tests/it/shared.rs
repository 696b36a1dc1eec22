//! Shared mode: one process serves the instances of many users, and tells them apart by what each request carries.

mod crashes;
mod isolation;
mod keys;
mod lifecycle;
mod slow;

use serde_json::{Value, json};

use crate::support::{Builder, Instance, TestApp, User, procs::PortSlot, services::Service, wait_for};

/// A Berth with shared services, on ports that nobody else has.
struct Scene {
    app: TestApp,
    ports: PortSlot,
}

/// `fake-mcp` as a shared service.
fn service(name: &str, port: u16, workers: u16, flags: &[&str]) -> Service {
    Service::http(name, &[&["--contract"], flags].concat())
        .with("modes", json!(["shared", "dedicated"]))
        .with("shared", json!({ "port": port, "workers": workers }))
        .with("credential", json!({ "kind": "api_key" }))
        .with("config", json!([{ "name": "team", "default": "none" }]))
        .with("health", json!({ "endpoint": "/health" }))
}

/// One shared service of so many processes.
fn scene(workers: u16, flags: &[&str]) -> Scene {
    scene_of(|port| vec![service("hub", port, workers, flags)], |builder| builder)
}

/// These services, from the first port on.
fn scene_of(services: impl Fn(u16) -> Vec<Service>, settings: impl Fn(Builder) -> Builder) -> Scene {
    let ports = PortSlot::take();
    let builder = TestApp::builder().set("shared_ports", ports.range().as_str());
    let builder = services(ports.first()).into_iter().fold(settings(builder), Builder::service);
    Scene { app: builder.start(), ports }
}

impl Scene {
    /// The processes of a service, as administrators see them.
    #[track_caller]
    fn workers(&self, service: &str) -> Vec<Value> {
        let health = self.app.operator().http.get("/api/v1/admin/health").expect(200).json();
        let pools = health["shared"].as_array().unwrap().clone();
        let pool = pools.into_iter().find(|pool| pool["service"] == service);
        pool.map(|pool| pool["workers"].as_array().unwrap().clone()).unwrap_or_default()
    }

    /// The leaders of the processes that run.
    #[track_caller]
    fn pids(&self, service: &str) -> Vec<u32> {
        let running = self.workers(service).into_iter().filter(|worker| worker["state"] == "running");
        running.filter_map(|worker| worker["pid"].as_u64()?.try_into().ok()).collect()
    }

    /// Waits until so many processes run, none of which is one of `others`.
    #[track_caller]
    fn wait_for_workers(&self, service: &str, count: usize, others: &[u32]) -> Vec<u32> {
        wait_for("processes of the shared service", || {
            let pids = self.pids(service);
            (pids.len() == count && !pids.iter().any(|pid| others.contains(pid))).then_some(pids)
        })
    }
}

/// Makes an instance with this key, and waits until it runs.
#[track_caller]
fn instance(user: &User, service: &str, key: &str) -> Instance {
    let made = user.order_with(&json!({ "service": service, "credential": { "value": key } }));
    user.wait(&made.id, "running")
}

/// What the process says of a request.
#[track_caller]
fn seen(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("not what was asked for: {text}"))
}

/// What the process sees of a call without a session.
#[track_caller]
fn whoami(user: &User, instance: &Instance, arguments: &Value) -> Value {
    seen(&user.stateless(instance).text("whoami", arguments))
}
