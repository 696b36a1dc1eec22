//! Large numbers, which take minutes.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use berth::{
    auth::tokens as secrets,
    db::{
        tokens,
        users::{self, Role},
    },
    domain::{
        ids::{TokenId, UserId},
        time::Timestamp,
    },
};
use serde_json::json;

use super::{Scene, scene, scene_of, seen, service, whoami};
use crate::support::{Instance, User, procs, sleep, wait_for};

/// People with a token each, without the cost of their passwords.
fn people(scene: &Scene, count: usize) -> Vec<User> {
    let (db, now) = (scene.app.db(), Timestamp::now());
    let token_of = |number: usize| {
        let (secret, user) = (secrets::mint().unwrap(), UserId::generate());
        let email = format!("user{number}@example.org").parse().unwrap();
        let (role, created_at) = (Role::User, now);
        let person =
            users::NewUser { id: user, email, password_hash: None, role, instance_quota: Some(1000), created_at };
        let token = tokens::NewToken {
            id: TokenId::generate(),
            user_id: user,
            name: "it".to_owned(),
            hash: secrets::TokenHash::of(secret.expose()).to_hex(),
            hint: secret.hint(),
            instances: None,
            created_at,
            expires_at: None,
            tools: None,
            read_only: false,
        };
        db.write_blocking(|conn| {
            users::insert(conn, &person)?;
            tokens::insert(conn, &token)
        })
        .unwrap();
        secret.expose().to_owned()
    };
    let someone = scene.app.operator();
    (0..count).map(|number| someone.with_token(&token_of(number))).collect()
}

/// Instances of each user, one of each service, with a key each.
fn order(users: &[User], services: &[&str]) -> Vec<(User, Instance, String)> {
    thread::scope(|scope| {
        let chunks = users.chunks(users.len().div_ceil(8));
        let threads: Vec<_> = chunks.map(|users| scope.spawn(move || order_one_by_one(users, services))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn order_one_by_one(users: &[User], services: &[&str]) -> Vec<(User, Instance, String)> {
    let connections = users[0].fresh();
    let pairs = users.iter().flat_map(|user| services.iter().map(move |service| (user, service)));
    let make = |(user, service): (&User, &&str)| {
        let user = User { http: connections.http.with_token(user.http.token()), ..user.clone() };
        let key = format!("key-{}-{service}", UserId::generate());
        let made = user.order_with(&json!({ "service": service, "credential": { "value": key } }));
        (user, made, key)
    };
    pairs.map(make).collect()
}

/// `BERTH_CROSSING_CALLS`, 20,000 when absent: a hundred thousand take some minutes.
fn calls() -> usize {
    std::env::var("BERTH_CROSSING_CALLS").map_or(20_000, |text| text.parse().unwrap())
}

#[test]
fn calls_of_250_users_to_1000_instances_do_not_cross() {
    const THREADS: usize = 16;
    const SERVICES: [&str; 4] = ["one", "two", "three", "four"];
    let services = |port: u16| (port..).zip(SERVICES).map(|(port, name)| service(name, port, 1, &[])).collect();
    let scene = scene_of(services, |builder| builder.set("log", "warn"));
    let instances = order(&people(&scene, 250), &SERVICES);
    assert_eq!(instances.len(), 1000);
    let began = Instant::now();
    thread::scope(|scope| {
        for first in 0..THREADS {
            let instances = &instances;
            scope.spawn(move || {
                let connections = instances[0].0.fresh();
                for round in 0..calls() / THREADS {
                    // Each thread goes through all of them in an order of its own.
                    let (user, instance, key) = &instances[(first * 61 + round * 7) % instances.len()];
                    let user = User { http: connections.http.with_token(user.http.token()), ..user.clone() };
                    let text = format!("{first} {round}");
                    let arguments = json!({ "text": text, "stream": round % 11 == 0 });
                    let answer = if round % 3 == 0 {
                        let body = json!({ "name": "act", "arguments": arguments });
                        let answer = user.http.post(&instance.beside("/mcp/call"), &body).expect(200).json();
                        seen(answer["content"][0]["text"].as_str().unwrap())
                    } else {
                        whoami(&user, instance, &arguments)
                    };
                    let expected = (&json!(instance.id), &json!(key), &json!(text));
                    assert_eq!((&answer["instance"], &answer["credential"], &answer["text"]), expected);
                }
            });
        }
    });
    println!("{} calls in {:.1?}", calls(), began.elapsed());
    for name in SERVICES {
        let workers = scene.workers(name);
        assert_eq!((workers.len(), &workers[0]["restarts"]), (1, &json!(0)), "one process for all: {workers:?}");
    }
}

#[test]
fn what_an_instance_without_a_process_costs() {
    const COUNT: usize = 1000;
    let services = |port| vec![service("hub", port, 1, &[]).with("idle_seconds", json!(0))];
    let mut scene = scene_of(services, |builder| builder.set("log", "warn"));
    let users = people(&scene, COUNT / 100);
    let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / COUNT as f64 / 1024.0;
    // Whatever is made once for all.
    let warm = order(&users, &["hub"; 10]);
    wait_for("the first to run", || all(&warm, "running").then_some(()));
    put_to_sleep(&warm);
    let without = started_anew(&mut scene);
    let before = settled(&scene);
    let instances = order(&users, &["hub"; COUNT / 10]);
    wait_for("all to run", || all(&instances, "running").then_some(()));
    println!("KiB of Berth per instance that is awake: {:.1}", each(before, settled(&scene)));
    put_to_sleep(&instances);
    // Berth anew, so that what was used meanwhile does not count.
    let asleep = each(without, started_anew(&mut scene));
    println!("KiB of Berth per instance that sleeps: {asleep:.1}");
    assert!(asleep < 16.0, "far more than an instance has");
}

/// Has them sleep when nobody has used them for a second, and waits until they do.
fn put_to_sleep(instances: &[(User, Instance, String)]) {
    for (user, made, _) in instances {
        user.http.patch(&format!("/api/v1/mcps/{}", made.id), &json!({ "idle_seconds": 1 })).expect(200);
    }
    wait_for("all to sleep", || all(instances, "idle").then_some(()));
}

fn all(instances: &[(User, Instance, String)], state: &str) -> bool {
    instances.iter().all(|(user, made, _)| is(user, made, state))
}

/// Resident bytes of Berth, started once more.
fn started_anew(scene: &mut Scene) -> u64 {
    scene.app.stop();
    scene.app.start_again();
    settled(scene)
}

fn is(user: &User, made: &Instance, state: &str) -> bool {
    user.show(&made.id).view["status"] == state
}

/// Resident bytes of Berth, when they do not grow any more.
fn settled(scene: &Scene) -> u64 {
    sleep(Duration::from_secs(3));
    procs::memory(scene.app.pid(), "VmRSS")
}

#[test]
fn hundreds_of_services_more_are_not_noticed() {
    let mut scene = scene(1, &[]);
    let start = |scene: &mut Scene| {
        scene.app.stop();
        let began = Instant::now();
        scene.app.start_again();
        (began.elapsed(), procs::memory(scene.app.pid(), "VmRSS") / 1024)
    };
    let few = start(&mut scene);
    let services = scene.app.root().join("services");
    let text = fs::read_to_string(services.join("hub/service.toml")).unwrap();
    for number in 0..373 {
        let name = format!("more-{number}");
        fs::create_dir_all(services.join(&name)).unwrap();
        // Each may be shared; their ports lie where nobody else's do.
        let own = text.replace("\"hub\"", &format!("\"{name}\""));
        let own = own.replace(&format!("port = {}", scene.ports.first()), &format!("port = {}", 49_200 + number));
        fs::write(services.join(&name).join("service.toml"), own).unwrap();
    }
    scene.app.set("shared_ports", "20000-49999");
    let many = start(&mut scene);
    println!("start and RSS (KiB) with 3 services: {few:?}; with 373 more: {many:?}");
    assert_eq!(procs::marked(&scene.app.data().join("shared")), Vec::<String>::new(), "none runs before it is needed");
    let listed = scene.app.operator().http.post("/api/v1/admin/refresh", &json!({})).expect(200).json();
    assert_eq!(listed["services"], 376, "{listed}");
}
