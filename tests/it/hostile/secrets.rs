//! Berth's secrets and other people's: found in no child.

use std::fs;

use serde_json::{Value, json};

use super::scene::{BARE, Party, WALLED, builder};
use crate::support::{TestApp, User, procs, services::Service};

/// In Berth's environment and nowhere else.
const CANARY: &str = "canary-7f3a9c51e0";
/// 32 bytes, in base64.
const MASTER_KEY: &str = "Y2FuYXJ5LW1hc3Rlci1rZXktMzItYnl0ZXMtLS0tLTE=";
/// Ann's.
const CREDENTIAL: &str = "ann-secret-credential-4821";

fn start() -> TestApp {
    let credential = json!({ "kind": "api_key", "env": "API_KEY" });
    builder()
        .env("CANARY", CANARY)
        .env("BERTH_MASTER_KEY", MASTER_KEY)
        .service(Service::stdio("keyed", &[]).with("credential", credential))
        .service(Service::http("bare-http", &[]).with("sandbox", json!("off")))
        .start()
}

fn keyed(ann: &User) -> Party {
    let order = json!({ "service": "keyed", "credential": { "value": CREDENTIAL } });
    let instance = ann.wait(&ann.order_with(&order).id, "running");
    Party { client: ann.connect(&instance), instance, user: ann.clone() }
}

#[test]
fn nothing_of_berths_environment_reaches_a_child() {
    let app = start();
    let (admin, eve) = (app.admin(), app.user("eve"));
    let parties = [(&admin, BARE), (&admin, "bare-http"), (&eve, WALLED), (&eve, "fake-http"), (&eve, "fake")];
    let parties = parties.map(|(user, service)| Party::of(user, service));
    for party in &parties {
        let me = party.client.whoami();
        for secret in [CANARY, MASTER_KEY] {
            assert!(!me.to_string().contains(secret), "{me}");
        }
        let mut names = me["env"].as_object().unwrap().keys();
        let setting = names.find(|name| {
            let name = name.strip_prefix("BERTH_").unwrap_or_default().to_lowercase();
            berth::config::SETTINGS.contains(&name.as_str())
        });
        assert_eq!(setting, None, "a setting of Berth's");
    }
    // And as the host sees it: every process of ours but Berth itself.
    for line in procs::marked(app.root()) {
        let pid: u32 = line.split(' ').next().unwrap().parse().unwrap();
        if pid == app.pid() {
            continue;
        }
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        for secret in [CANARY, MASTER_KEY] {
            assert!(memchr::memmem::find(&environ, secret.as_bytes()).is_none(), "{line}");
        }
    }
}

#[test]
fn no_child_finds_secrets_by_looking_around() {
    let app = start();
    let (ann, eve, bare) =
        (keyed(&app.user("ann")), Party::of(&app.user("eve"), WALLED), Party::of(&app.admin(), BARE));
    assert_eq!(ann.client.whoami()["env"]["API_KEY"], CREDENTIAL);
    for secret in [CANARY, MASTER_KEY, CREDENTIAL] {
        let scan = json!({ "kind": "scan", "text": secret });
        // Without the places: they are long where the wall is missing.
        assert_eq!(eve.does(&scan).as_array().map(Vec::len), Some(0), "{secret} is seen");
        if rustix::process::geteuid().is_root() {
            assert_ne!(bare.does(&scan), json!([]), "{secret} is there to be found");
        }
    }
}

#[test]
fn a_child_inherits_three_descriptors() {
    let app = start();
    let (admin, eve) = (app.admin(), app.user("eve"));
    for (user, service) in [(&eve, WALLED), (&eve, "fake-http"), (&admin, BARE), (&admin, "bare-http")] {
        let fds = Party::of(user, service).client.whoami()["fds"].clone();
        for (number, target) in fds.as_object().unwrap() {
            let (number, target) = (number.parse::<u32>().unwrap(), target.as_str().unwrap());
            // Its own: what a runtime opens, and the directory that is being read.
            let own = ["anon_inode:", "socket:", "pipe:", "/proc/"].iter().any(|kind| target.starts_with(kind));
            assert!(number <= 2 || own, "{service}: {number} is {target}");
            assert!(!target.contains("berth.db") && !target.contains("master.key"), "{service}: {number} is {target}");
        }
        let is_stdio = service == WALLED || service == BARE;
        let above = fds.as_object().unwrap().keys().filter(|number| number.parse::<u32>().unwrap() > 2).count();
        assert!(!is_stdio || above <= 1, "{service}: {fds}");
    }
}

#[test]
fn secrets_are_in_no_file_and_no_argument() {
    let app = start();
    let ann = keyed(&app.user("ann"));
    for secret in [CANARY, MASTER_KEY, CREDENTIAL] {
        assert_eq!(procs::with_argument(secret), Vec::<u32>::new());
        let found = holds(&app.data(), secret.as_bytes());
        assert_eq!(found, Vec::<String>::new(), "{secret}");
        assert!(!app.log().contains(secret));
    }
    let view: Value = ann.user.show(&ann.instance.id).view;
    assert!(!view.to_string().contains(CREDENTIAL), "{view}");
}

/// Files below a directory that hold the words.
fn holds(folder: &std::path::Path, words: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(holds(&entry.path(), words)),
            Ok(kind) if kind.is_file() => {
                let bytes = fs::read(entry.path()).unwrap_or_default();
                if memchr::memmem::find(&bytes, words).is_some() {
                    found.push(entry.path().display().to_string());
                }
            }
            _ => {}
        }
    }
    found
}
