//! Deletion: refused while something uses it, and then for good.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
};

use serde_json::json;

use super::{VALUE, app, key_of_child};
use crate::support::{Builder, TestApp, text, wait_for};

/// Whether the database's files have these bytes.
pub(super) fn in_files(app: &TestApp, needle: &str) -> bool {
    let mut files = fs::read_dir(app.data()).unwrap().flatten();
    files.any(|entry| {
        let is_database = entry.file_name().to_string_lossy().starts_with("berth.db");
        let bytes = if is_database { fs::read(entry.path()).unwrap_or_default() } else { Vec::new() };
        memchr::memmem::find(&bytes, needle.as_bytes()).is_some()
    })
}

/// Where in the memory of a process these bytes are.
fn in_memory(pid: u32, needle: &str) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let Ok(memory) = File::open(format!("/proc/{pid}/mem")) else { return Vec::new() };
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, name) = (line.split(' ').next().unwrap(), line.split_whitespace().nth(5).unwrap_or("anonymous"));
        let bounds: Vec<u64> = range.split('-').map(|bound| u64::from_str_radix(bound, 16).unwrap()).collect();
        let mut bytes = vec![0; usize::try_from(bounds[1] - bounds[0]).unwrap()];
        // Pages that cannot be read are nobody's.
        if memory.read_exact_at(&mut bytes, bounds[0]).is_ok() {
            for at in memchr::memmem::find_iter(&bytes, needle.as_bytes()) {
                let around = &bytes[at.saturating_sub(60)..(at + 60).min(bytes.len())];
                found.push(format!("{name}: {:?}", String::from_utf8_lossy(around)));
            }
        }
    }
    found
}

#[test]
fn what_is_in_use_is_deleted_by_force_alone_and_then_gone_from_files_and_memory() {
    Builder::each(app, |app| {
        let ann = app.client_of("ann@example.org");
        // Its own connections end with it: what they read of it is nobody's then.
        let other = app.client().with_token(ann.token());
        let view = other.create(&json!({ "service": "vaulted", "credential": { "value": VALUE } }));
        let id = text(&view, "id");
        assert_eq!(key_of_child(&ann, &view), VALUE);
        let child = u32::try_from(ann.get(&format!("/api/v1/mcps/{id}")).expect(200)["pid"].as_u64().unwrap()).unwrap();
        drop(other);
        let stored = ann.get("/api/v1/credentials").expect(200)["items"][0].clone();
        let path = format!("/api/v1/credentials/{}", text(&stored, "id"));
        let told = ann.delete(&path).refused(409, "conflict");
        assert!(told.contains(&id) && told.contains("vaulted 1"), "{told}");
        ann.delete(&format!("{path}?force=maybe")).refused(400, "validation_failed");
        app.client_of("bob@example.org").delete(&format!("{path}?force=true")).refused(404, "not_found");
        assert_eq!(ann.get(&format!("/api/v1/mcps/{id}")).expect(200)["status"], "running");
        let sealed = app.db().read_blocking(berth::db::credentials::all).unwrap()[0].sealed.clone();
        assert!(app.postgres_url().is_some() || in_files(app, &sealed), "the search finds what is there");

        ann.delete(&format!("{path}?force=true")).expect(204);
        assert_eq!(ann.get("/api/v1/credentials").expect(200)["items"], json!([]));
        assert_eq!(ann.get(&format!("/api/v1/mcps/{id}")).expect(200)["status"], "stopped");
        assert!(app.postgres_url().is_some() || !in_files(app, &sealed), "sealed text is left in the files");
        wait_for("the child to be gone", || (!fs::exists(format!("/proc/{child}")).unwrap()).then_some(()));
        if rustix::process::geteuid().is_root() {
            let mut last = Vec::new();
            let gone = crate::support::try_for(|| {
                last = in_memory(app.pid(), VALUE);
                last.is_empty()
            });
            assert!(gone, "the value is left in memory: {last:#?}");
        }
        // It says what it lacks.
        ann.post(&format!("/api/v1/mcps/{id}/toggle"), &json!({})).expect(200);
        let failed = ann.wait_for(&id, "failed");
        assert!(failed["last_error"].to_string().contains("it has no credential any more"), "{failed}");
    });
}

#[test]
fn the_search_of_memory_finds_what_is_there() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let app = app().start();
    let ann = app.client_of("ann@example.org");
    let view = ann.create(&json!({ "service": "vaulted", "credential": { "value": VALUE } }));
    ann.wait_for(&text(&view, "id"), "running");
    // What a running child must not print is known, to be masked.
    assert!(!in_memory(app.pid(), VALUE).is_empty());
}
