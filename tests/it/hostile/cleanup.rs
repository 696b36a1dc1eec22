//! Outliving one's instance, and having Berth clean up in the wrong place.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
};

use berth::{db::instances, domain::time::Timestamp};
use serde_json::json;

use super::scene::{BARE, Party, WALLED, builder, wait_until_gone};
use crate::support::{TestApp, User, procs, wait_for};

/// A daemon of the party's, with its words; it lives until Berth does something about it.
#[track_caller]
fn daemon(party: &Party, name: &str) -> String {
    let words = format!("daemon-{name}-{}", party.instance.id);
    party.does(&json!({ "kind": "daemonize", "text": words }));
    wait_for("a daemon", || (!procs::with_argument(&words).is_empty()).then_some(()));
    words
}

/// Who hides where it would be found: without walls and without control groups nothing finds what has left
/// its session, its parent and its environment.
fn both(app: &TestApp) -> Vec<(User, &'static str)> {
    let (eve, admin) = (app.user("eve"), app.admin());
    let probe = admin.create(BARE);
    admin.delete(&probe.id);
    let memory =
        probe.view["limits_enforced"].as_array().unwrap().iter().find(|line| line["what"] == "memory").unwrap();
    let is_found = memory["how"] == "by cgroup";
    std::iter::once((eve, WALLED)).chain(is_found.then_some((admin, BARE))).collect()
}

#[test]
fn a_daemon_ends_with_its_instance() {
    let app = builder().start();
    for (user, service) in both(&app) {
        let eve = Party::of(&user, service);
        for end in ["toggle", "toggle", "restart", "crash", "delete"] {
            let is_down = user.show(&eve.instance.id).view["status"] == "stopped";
            if is_down {
                user.act(&eve.instance.id, "toggle");
                user.wait(&eve.instance.id, "running");
                continue;
            }
            let now = Party {
                instance: user.show(&eve.instance.id),
                client: user.connect(&eve.instance),
                user: user.clone(),
            };
            let words = daemon(&now, end);
            match end {
                "delete" => user.delete(&eve.instance.id),
                "crash" => {
                    now.client.call("crash", &json!({ "code": 1 }));
                    user.wait_for_successor(&now.instance);
                }
                action => {
                    user.act(&eve.instance.id, action);
                    let state = if action == "toggle" { "stopped" } else { "running" };
                    user.wait(&eve.instance.id, state);
                }
            }
            wait_until_gone(&words);
        }
    }
}

#[test]
fn a_daemon_does_not_outlive_berths_sudden_end() {
    let mut app = builder().start();
    let parties: Vec<Party> = both(&app).into_iter().map(|(user, service)| Party::of(&user, service)).collect();
    let daemons: Vec<String> = parties.iter().map(|party| daemon(party, "orphan")).collect();
    app.kill();
    app.start_again();
    daemons.iter().for_each(|words| wait_until_gone(words));
    for party in &parties {
        party.user.wait(&party.instance.id, "running");
        assert_eq!(party.user.connect(&party.instance).echo("back"), "back");
    }
}

#[test]
fn a_daemon_ends_with_berth() {
    let mut app = builder().start();
    let parties: Vec<Party> = both(&app).into_iter().map(|(user, service)| Party::of(&user, service)).collect();
    let daemons: Vec<String> = parties.iter().map(|party| daemon(party, "last")).collect();
    app.stop_by_force();
    daemons.iter().for_each(|words| wait_until_gone(words));
    app.start_again();
}

/// What is not Eve's and must stay as it is.
struct Canary {
    folder: PathBuf,
    file: PathBuf,
    before: String,
}

impl Canary {
    fn set(app: &TestApp) -> Self {
        let folder = app.root().join("outside");
        let file = folder.join("file.log");
        fs::create_dir_all(folder.join("deep")).unwrap();
        fs::write(&file, "canary").unwrap();
        fs::write(folder.join("deep/canary.txt"), "canary").unwrap();
        let before = Self::look(&folder);
        Self { folder, file, before }
    }

    /// Names, owners, modes, sizes, times and contents.
    fn look(folder: &Path) -> String {
        let mut lines = Vec::new();
        for path in [folder, &folder.join("file.log"), &folder.join("deep"), &folder.join("deep/canary.txt")] {
            let found = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let content = fs::read_to_string(path).unwrap_or_default();
            lines.push(format!(
                "{} {}:{} {:o} {} {} {content}",
                path.display(),
                found.uid(),
                found.gid(),
                found.mode(),
                found.size(),
                found.mtime_nsec(),
            ));
        }
        lines.push(format!("{}", fs::read_dir(folder).unwrap().count()));
        lines.join("\n")
    }

    #[track_caller]
    fn is_untouched(&self) {
        assert_eq!(Self::look(&self.folder), self.before);
    }
}

/// Links out of every directory that is the child's, and directories that turn into links all the time.
fn lay_traps(eve: &Party, canary: &Canary) {
    let env = eve.client.whoami()["env"].clone();
    let text = |name: &str| env[name].as_str().unwrap().to_owned();
    for folder in [eve.whoami("cwd"), text("HOME"), text("TMPDIR")] {
        eve.does(&json!({ "kind": "symlink", "target": canary.folder, "path": format!("{folder}/link") }));
        eve.does(&json!({ "kind": "symlink", "target": canary.file, "path": format!("{folder}/file-link") }));
        // Only where the file is seen and the kernel allows it.
        eve.tries(&json!({ "kind": "hardlink", "target": canary.file, "path": format!("{folder}/hard") }));
        for number in 0..8 {
            let path = format!("{folder}/nest/{number}/turning");
            eve.does(&json!({ "kind": "make_directory", "path": path }));
            eve.does(&json!({ "kind": "mode", "path": path }));
            eve.does(&json!({ "kind": "swap", "path": path, "target": canary.folder }));
        }
        let deep = format!("{folder}/{}", "d/".repeat(200));
        eve.does(&json!({ "kind": "make_directory", "path": deep }));
    }
}

#[test]
fn deleting_follows_no_link() {
    let app = builder().start();
    let canary = Canary::set(&app);
    for (user, service) in both(&app) {
        for round in 0..3 {
            let eve = Party::of(&user, service);
            lay_traps(&eve, &canary);
            user.delete(&eve.instance.id);
            let own = app.data().join("instances").join(&eve.instance.id);
            wait_for("its directory's end", || (!own.exists()).then_some(()));
            canary.is_untouched();
            assert_eq!(user.list().len(), 0, "round {round}");
        }
    }
}

#[test]
fn starting_again_follows_no_link() {
    let app = builder().start();
    let canary = Canary::set(&app);
    for (user, service) in both(&app) {
        let eve = Party::of(&user, service);
        lay_traps(&eve, &canary);
        user.act(&eve.instance.id, "toggle");
        user.wait(&eve.instance.id, "stopped");
        user.act(&eve.instance.id, "toggle");
        user.wait(&eve.instance.id, "running");
        assert_eq!(user.connect(&eve.instance).echo("back"), "back");
        canary.is_untouched();
        user.delete(&eve.instance.id);
        canary.is_untouched();
    }
}

/// Its very own directories replaced by links, by whoever could: a start does not hand over what they lead to.
#[test]
fn directories_that_are_links_are_not_entered() {
    let app = builder().start();
    let canary = Canary::set(&app);
    let eve = Party::of(&app.user("eve"), WALLED);
    let own = app.data().join("instances").join(&eve.instance.id);
    let folders: Vec<PathBuf> = fs::read_dir(&own).unwrap().map(|entry| entry.unwrap().path()).collect();
    for folder in folders.iter().filter(|path| path.is_dir()) {
        let id = &eve.instance.id;
        eve.user.act(id, "toggle");
        eve.user.wait(id, "stopped");
        let aside = folder.with_extension("aside");
        fs::rename(folder, &aside).unwrap();
        symlink(&canary.folder, folder).unwrap();
        eve.user.act(id, "toggle");
        // It may refuse to start, or put a directory there.
        wait_for("an end of the start", || {
            let view = eve.user.show(id).view;
            matches!(view["status"].as_str(), Some("running" | "failed")).then_some(())
        });
        canary.is_untouched();
        if eve.user.show(id).view["status"] == "failed" {
            let _ = fs::remove_file(folder);
            fs::rename(&aside, folder).unwrap();
            eve.user.act(id, "restore");
            eve.user.wait(id, "running");
        }
    }
    eve.user.delete(&eve.instance.id);
    wait_for("its directory's end", || (!own.exists()).then_some(()));
    canary.is_untouched();
}

/// Expiry packs the logs away: a log that is a link is not what it seems.
#[test]
fn archiving_follows_no_link() {
    let mut app = builder().start();
    let canary = Canary::set(&app);
    let eve = Party::of(&app.user("eve"), WALLED);
    lay_traps(&eve, &canary);
    eve.does(&json!({ "kind": "say", "text": "a line of the log\n" }));
    let logs = wait_for("a log", || super::scene::find(&app.data().join("logs"), "error.log"));
    app.stop();
    let folder = logs.parent().unwrap();
    symlink(&canary.folder, folder.join("error.log.1")).unwrap();
    symlink(&canary.file, folder.join("stolen.log")).unwrap();
    fs::remove_file(&logs).unwrap();
    symlink(&canary.file, &logs).unwrap();
    let id = eve.instance.id.parse().unwrap();
    app.db().write_blocking(move |conn| instances::set_expiry(conn, id, Some(Timestamp(1)))).unwrap();
    app.start_again();
    eve.user.wait(&eve.instance.id, "expired");
    // The archive is written after the state is.
    wait_for("the end of the logs", || (!folder.exists()).then_some(()));
    canary.is_untouched();
    let archives = app.data().join("archive");
    let packed = super::scene::find(&archives, "access.log.gz").expect("what is no link is kept");
    assert_eq!(fs::read_dir(packed.parent().unwrap()).unwrap().count(), 1, "{}", packed.display());
    eve.user.delete(&eve.instance.id);
    canary.is_untouched();
    assert_eq!(super::scene::find(&archives, "access.log.gz"), None, "the archives go with the instance");
}
