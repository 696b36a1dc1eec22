//! Everything that may happen to rooms, at random and for as long as there is time: create, call, kill,
//! `kill -9` of Berth, restart, toggle, sleep, wake, delete, in all modes. At the end nothing is
//! missing, nothing is left, and nobody ever got what was another's.
//!
//! `BERTH_SOAK_SECONDS` (5) is how long; from a minute on there are fifty instances instead of twelve.
//! `BERTH_SOAK_SEED` repeats a run's choices.

mod chance;
mod rooms;
mod traces;

use std::time::{Duration, Instant};

use self::{chance::Chance, rooms::Rooms, traces::Traces};
use crate::support::{TestApp, try_for};

/// A setting of the run, from the environment.
fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn rooms_come_and_go_and_leave_nothing() {
    let seconds = setting("BERTH_SOAK_SECONDS").unwrap_or(5);
    let seed = setting("BERTH_SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()) ^ 0x5eed);
    eprintln!("soak: BERTH_SOAK_SEED={seed} BERTH_SOAK_SECONDS={seconds}");
    let mut chance = Chance::new(seed);
    let tools = traces::tools();
    let mut app = rooms::builder(&traces::program(&tools)).start();
    let mut rooms = Rooms::new(&app, if seconds >= 60 { 50 } else { 12 });

    // What stays open once everything has been used once: pools, workers, logs.
    rooms.fill(&mut chance);
    rooms.answer();
    rooms.clear();
    let before = Traces::settled(&app, &tools);

    rooms.fill(&mut chance);
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        step(&mut app, &mut rooms, &mut chance);
    }
    rooms.answer();
    rooms.clear();
    // Kill -9 makes a new process of Berth: its descriptors are compared with the old one's.
    let mut after = Traces::of(&app, &tools);
    let is_back = try_for(|| {
        after = Traces::of(&app, &tools);
        after.is_within(&before)
    });
    let counts = &rooms.counts;
    eprintln!(
        "soak: seed {seed}, {seconds} s, {counts}; left behind: {} processes, {} directories, {} cgroups, {} ports, \
         {} descriptors more than before",
        after.processes.len(),
        after.folders.len(),
        rooms.cgroups_left().len(),
        after.ports.len(),
        after.descriptors.len().saturating_sub(before.descriptors.len()),
    );
    assert!(is_back, "left behind.\nbefore: {before:?}\nafter: {after:?}");
    assert_eq!(rooms.cgroups_left(), Vec::<std::path::PathBuf>::new());
    assert_eq!(counts.wrong, 0, "answers of others");
    assert!(counts.right > 0, "{counts}");
}

/// One thing that happens.
fn step(app: &mut TestApp, rooms: &mut Rooms, chance: &mut Chance) {
    match chance.below(100) {
        0..45 => rooms.call_some(chance),
        45..55 => rooms.fill(chance),
        55..62 => rooms.delete_one(chance),
        62..72 => rooms.kill_one(chance),
        72..80 => rooms.toggle_one(chance),
        80..86 => rooms.restart_one(chance),
        86..92 => rooms.leave_a_daemon(chance),
        92..96 => rooms.rest(),
        96..98 => {
            app.kill();
            app.start_again();
        }
        _ => {
            app.stop_by_force();
            app.start_again();
        }
    }
}
