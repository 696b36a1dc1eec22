//! Whether an account exists must not show in how long an answer takes.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::TestApp;

/// Of each kind.
const SAMPLES: usize = 60;

/// Interleaved, so that whatever else this machine does falls on all kinds alike: the median of each.
fn medians<const N: usize>(mut ask: impl FnMut(usize)) -> [Duration; N] {
    let mut samples: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    for round in 0..SAMPLES {
        for step in 0..N {
            // Each kind goes first as often as the others.
            let kind = (round + step) % N;
            let before = Instant::now();
            ask(kind);
            samples[kind].push(before.elapsed());
        }
    }
    samples.map(|mut samples| {
        samples.sort();
        samples[samples.len() / 2]
    })
}

/// Without the work of the other kind, an answer would take a small part of its time.
#[track_caller]
fn assert_alike(medians: &[Duration]) {
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    assert!(*most < *least * 3 / 2 + Duration::from_millis(2), "{medians:?}");
}

#[test]
fn unknown_accounts_take_as_long_as_known_ones() {
    let app = TestApp::builder().set("login_attempts", "10000").set("mail", "file").start();
    app.client_of("ann@example.org");
    // Its account has no password: there is nothing to compare with either.
    app.cli(&["user", "add", "cid@example.org"], "");
    let people = ["ann@example.org", "nobody@example.org", "cid@example.org", "not an address"];
    let client = app.client();
    let passwords = medians::<4>(|kind| {
        let body = json!({ "email": people[kind], "password": "wrong password" });
        client.post("/api/v1/auth/login", &body).refused(401, "wrong_password");
    });
    assert!(passwords[0] > Duration::from_millis(3), "argon2 takes its time: {passwords:?}");
    assert_alike(&passwords);
    let links = medians::<4>(|kind| {
        client.post("/api/v1/auth/link", &json!({ "email": people[kind] })).expect(202);
    });
    assert_alike(&links);
}
