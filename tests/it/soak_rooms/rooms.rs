//! The instances of the run, what is expected of each, and what happens to them.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::chance::Chance;
use crate::support::{
    Builder, TestApp, User,
    mcp::{VERSION, call, initialize},
    procs,
    services::Service,
    sleep, wait_for,
};

/// Each stays below the number of restarts after which Berth gives up.
const KILLS: u32 = 3;
const USERS: usize = 5;
/// Service and, for those in session mode, `true`.
const KINDS: [(&str, bool); 5] =
    [("plain", false), ("plain-http", false), ("sleepy", false), ("sleepy-http", false), ("roomy", true)];

/// Everything that may be called, over and over.
pub(super) fn builder(program: &Path) -> Builder {
    let program = program.to_str().unwrap();
    let stdio = |name| Service::command(name, program);
    let http = |name| Service::http_command(name, program);
    TestApp::builder()
        .set("stop_grace_seconds", 1)
        .set("calls_per_second", 100_000)
        .service(stdio("plain"))
        .service(http("plain-http"))
        .service(stdio("sleepy").with("idle_seconds", json!(1)))
        .service(http("sleepy-http").with("idle_seconds", json!(1)))
        .service(
            stdio("roomy").with("modes", json!(["session"])).with("idle_seconds", json!(2)).with("spares", json!(1)),
        )
}

/// What was asked and what came of it.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) right: u64,
    pub(super) wrong: u64,
    /// Calls that got no answer: their instance was being killed, stopped or restarted.
    refused: u64,
    created: u64,
    deleted: u64,
    killed: u64,
    toggled: u64,
    restarted: u64,
    daemons: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { right, wrong, refused, created, deleted, killed, toggled, restarted, daemons } = self;
        write!(
            f,
            "{created} created, {deleted} deleted, {killed} killed, {toggled} toggled, {restarted} restarted, {daemons} \
             daemons; {right} right answers, {wrong} wrong, {refused} refused"
        )
    }
}

/// One instance.
struct Room {
    user: usize,
    id: String,
    url: String,
    service: &'static str,
    is_session: bool,
    /// In its environment, for it alone.
    secret: String,
    is_on: bool,
    kills: u32,
}

enum Said {
    Right,
    Wrong(String),
    Nothing(String),
}

pub(super) struct Rooms {
    users: Vec<User>,
    most: usize,
    rooms: Vec<Room>,
    seen_cgroups: BTreeSet<PathBuf>,
    pub(super) counts: Counts,
}

impl Rooms {
    pub(super) fn new(app: &TestApp, most: usize) -> Self {
        let users = (0..USERS).map(|number| app.user(&format!("user{number}"))).collect();
        Self { users, most, rooms: Vec::new(), seen_cgroups: BTreeSet::new(), counts: Counts::default() }
    }

    /// Creates until there are as many as there may be.
    pub(super) fn fill(&mut self, chance: &mut Chance) {
        while self.rooms.len() < self.most {
            let held = |user: usize| self.rooms.iter().filter(|room| room.user == user).count();
            let user = (0..USERS).min_by_key(|user| held(*user)).unwrap();
            let (service, is_session) = KINDS[chance.below(KINDS.len())];
            // A port for each, and only so many ports.
            let is_http = |room: &&Room| room.service.ends_with("-http");
            if service.ends_with("-http") && self.rooms.iter().filter(is_http).count() >= usize::from(procs::PORTS) - 4
            {
                continue;
            }
            let secret = format!("secret-{:016x}", chance.next());
            let mode = if is_session { "session" } else { "dedicated" };
            let order = json!({ "service": service, "mode": mode, "env": { "ROOM_SECRET": secret } });
            let made = self.users[user].order_with(&order);
            self.counts.created += 1;
            let Some(url) = made.url.strip_prefix(self.users[user].base()) else { panic!("{}", made.url) };
            let url = url.to_owned();
            self.rooms.push(Room { user, id: made.id, url, service, is_session, secret, is_on: true, kills: 0 });
        }
    }

    /// Some at once, the same one perhaps twice.
    pub(super) fn call_some(&mut self, chance: &mut Chance) {
        if self.rooms.is_empty() {
            return;
        }
        let chosen: Vec<usize> = (0..6).map(|_| chance.below(self.rooms.len())).collect();
        let said = self.ask(&chosen);
        for (index, said) in chosen.into_iter().zip(said) {
            match said {
                Said::Right => self.counts.right += 1,
                Said::Nothing(_) => self.counts.refused += 1,
                Said::Wrong(words) => {
                    self.counts.wrong += 1;
                    panic!("{} of {} said {words}", self.rooms[index].id, self.rooms[index].service);
                }
            }
        }
    }

    fn ask(&self, chosen: &[usize]) -> Vec<Said> {
        thread::scope(|scope| {
            let asks: Vec<_> = chosen
                .iter()
                .map(|index| {
                    let room = &self.rooms[*index];
                    scope.spawn(|| room.ask(&self.users[room.user]))
                })
                .collect();
            asks.into_iter().map(|ask| ask.join().unwrap()).collect()
        })
    }

    /// Every instance that is wanted up answers, sooner or later: none is lost.
    pub(super) fn answer(&mut self) {
        for room in self.rooms.iter().filter(|room| room.is_on) {
            let mut last = String::new();
            let is_there = crate::support::try_for(|| match room.ask(&self.users[room.user]) {
                Said::Right => true,
                Said::Wrong(words) => panic!("{} said {words}", room.id),
                Said::Nothing(words) => {
                    last = words;
                    false
                }
            });
            let view = self.users[room.user].show(&room.id).view;
            assert!(is_there, "lost: {last}; {view}");
            self.counts.right += 1;
            if let Some(pid) = view["pid"].as_u64() {
                self.seen_cgroups.extend(procs::cgroups(pid.try_into().unwrap()));
            }
        }
    }

    pub(super) fn clear(&mut self) {
        for room in self.rooms.drain(..) {
            self.users[room.user].delete(&room.id);
            self.counts.deleted += 1;
        }
    }

    pub(super) fn delete_one(&mut self, chance: &mut Chance) {
        if !self.rooms.is_empty() {
            let room = self.rooms.swap_remove(chance.below(self.rooms.len()));
            self.users[room.user].delete(&room.id);
            self.counts.deleted += 1;
        }
    }

    /// One that is wanted up.
    fn one_on(&mut self, chance: &mut Chance) -> Option<&mut Room> {
        let on: Vec<usize> = (0..self.rooms.len()).filter(|index| self.rooms[*index].is_on).collect();
        if on.is_empty() { None } else { Some(&mut self.rooms[on[chance.below(on.len())]]) }
    }

    pub(super) fn kill_one(&mut self, chance: &mut Chance) {
        let users = self.users.clone();
        let Some(room) = self.one_on(chance).filter(|room| room.kills < KILLS) else { return };
        let view = users[room.user].show(&room.id).view;
        let Some(pid) = view["pid"].as_u64().and_then(|pid| pid.try_into().ok()) else { return };
        room.kills += 1;
        self.counts.killed += 1;
        self.seen_cgroups.extend(procs::cgroups(pid));
        procs::kill(pid);
    }

    pub(super) fn toggle_one(&mut self, chance: &mut Chance) {
        if self.rooms.is_empty() {
            return;
        }
        let index = chance.below(self.rooms.len());
        let room = &mut self.rooms[index];
        let user = &self.users[room.user];
        user.act(&room.id, "toggle");
        room.is_on = !room.is_on;
        let (id, is_on) = (&room.id, room.is_on);
        wait_for("the toggle", || ((user.show(id).view["status"] != "stopped") == is_on).then_some(()));
        self.counts.toggled += 1;
    }

    pub(super) fn restart_one(&mut self, chance: &mut Chance) {
        let users = self.users.clone();
        let Some(room) = self.one_on(chance) else { return };
        users[room.user].act(&room.id, "restart");
        self.counts.restarted += 1;
    }

    /// A process that hides and does not want to end.
    pub(super) fn leave_a_daemon(&mut self, chance: &mut Chance) {
        let users = self.users.clone();
        let Some(room) = self.one_on(chance) else { return };
        let attack = json!({ "kind": "daemonize", "text": format!("daemon of {}", room.id) });
        if room.tool(&users[room.user], "attack", &attack).is_ok() {
            self.counts.daemons += 1;
        }
    }

    /// Long enough for those that sleep to fall asleep.
    pub(super) fn rest(&self) {
        sleep(Duration::from_millis(1500));
    }

    /// Groups of children that are gone, and are there still.
    pub(super) fn cgroups_left(&self) -> Vec<PathBuf> {
        self.seen_cgroups.iter().filter(|folder| folder.is_dir() && procs::is_a_rooms(folder)).cloned().collect()
    }
}

impl Room {
    /// What it says of itself must be its own.
    fn ask(&self, user: &User) -> Said {
        let said = match self.tool(user, "whoami", &json!({})) {
            Ok(said) => said,
            Err(words) => return Said::Nothing(words),
        };
        let me: Value = serde_json::from_str(&said).unwrap_or_default();
        if me["env"]["ROOM_SECRET"] == self.secret.as_str() { Said::Right } else { Said::Wrong(said) }
    }

    /// The text that a tool answers with; why there is none.
    fn tool(&self, user: &User, tool: &str, arguments: &Value) -> Result<String, String> {
        let mut headers = vec![("accept", "application/json, text/event-stream"), ("content-type", "application/json")];
        let send = |headers: &[(&str, &str)], message: &Value| {
            user.http.send("POST", &self.url, headers, Some(&serde_json::to_vec(message).unwrap()))
        };
        let hello = send(&headers, &initialize(&json!(0), VERSION));
        let session = hello.header("mcp-session-id").to_owned();
        if hello.status != 200 || session.is_empty() {
            return Err(format!("{} {}", hello.status, hello.text()));
        }
        headers.extend([("mcp-session-id", session.as_str()), ("mcp-protocol-version", VERSION)]);
        send(&headers, &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        if self.is_session {
            // Its own process: what one connection stores, no other finds.
            let found = send(&headers, &call(&json!(1), "get", &json!({ "key": "mine" })));
            let text = found.messages().pop().map(|answer| answer["result"]["content"][0]["text"].clone());
            if found.status == 200 && text.as_ref().is_some_and(|text| text.is_string() && text != "null") {
                return Ok(format!("another connection's {text:?}"));
            }
            send(&headers, &call(&json!(2), "set", &json!({ "key": "mine", "value": session })));
        }
        let reply = send(&headers, &call(&json!(3), tool, arguments));
        let answer = reply.messages().pop().unwrap_or_default();
        user.http.send("DELETE", &self.url, &headers, None);
        let text = answer["result"]["content"][0]["text"].as_str();
        text.map(str::to_owned).ok_or_else(|| format!("{} {answer}", reply.status))
    }
}
