//! Removes groups that are done with, in a thread of its own: one can be removed only when its last
//! process is gone, and the one who lets go of it must not wait for that.

use std::{
    path::PathBuf,
    sync::mpsc::{self, RecvTimeoutError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::{files, kill};
use crate::process::reaper;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// What cannot be removed for this long is left to the sweep of the next start.
const PATIENCE: Duration = Duration::from_secs(30);

/// At the end of Berth nobody waits longer than this.
const LAST_PATIENCE: Duration = Duration::from_secs(4);

/// At the end of Berth, what is not gone by itself this long after it was let go of is ended.
const OWN_END: Duration = Duration::from_millis(300);

/// The sending side of the thread.
#[derive(Debug, Default)]
pub(super) struct Janitor(Mutex<Option<(mpsc::Sender<PathBuf>, JoinHandle<()>)>>);

impl Janitor {
    /// Has the group `dir` removed as soon as it is empty.
    pub(super) fn remove(&self, dir: PathBuf) {
        let mut thread = self.0.lock();
        if thread.is_none() {
            let (sender, groups) = mpsc::channel();
            match std::thread::Builder::new().name("berth-groups".to_owned()).spawn(move || serve(&groups)) {
                Ok(handle) => *thread = Some((sender, handle)),
                Err(error) => return log::error!("{} is left behind: no thread to remove it: {error}", dir.display()),
            }
        }
        if let Some((sender, _)) = &*thread {
            // The thread ends only when this sender does.
            let _ = sender.send(dir);
        }
    }

    /// Waits until everything is removed, for four seconds at most.
    pub(super) fn finish(&self) {
        if let Some((sender, handle)) = self.0.lock().take() {
            drop(sender);
            let _ = handle.join();
        }
    }
}

fn serve(groups: &mpsc::Receiver<PathBuf>) {
    let mut waiting: Vec<(PathBuf, Instant)> = Vec::new();
    let mut closed: Option<Instant> = None;
    while closed.is_none_or(|at| !waiting.is_empty() && at.elapsed() < LAST_PATIENCE) {
        let patience = if waiting.is_empty() { Duration::from_secs(3600) } else { PAUSE };
        match groups.recv_timeout(patience) {
            Ok(dir) if files::remove(&dir) => {}
            Ok(dir) => waiting.push((dir, Instant::now())),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let first = closed.is_none();
                closed.get_or_insert_with(Instant::now);
                if !first {
                    pause();
                }
                insist(&waiting);
            }
        }
        waiting.retain(|(dir, since)| !files::remove(dir) && !given_up(dir, *since));
    }
}

/// At the end of Berth nobody else is left to do it: ends what is in the groups, and collects it, for a zombie
/// is in its group still.
fn insist(waiting: &[(PathBuf, Instant)]) {
    for (dir, since) in waiting {
        if since.elapsed() > OWN_END {
            kill::end_members(dir);
        }
    }
    reaper::reap_all();
}

fn given_up(dir: &std::path::Path, since: Instant) -> bool {
    let is_late = since.elapsed() > PATIENCE;
    if is_late {
        log::warn!("the group {} does not empty; the next start sweeps it", dir.display());
    }
    is_late
}

#[allow(clippy::disallowed_methods, reason = "a thread of its own, without a runtime")]
fn pause() {
    std::thread::sleep(PAUSE);
}
