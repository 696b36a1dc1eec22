//! Which protocol era each version of a service speaks: probed once, on a process that is thrown away
//! (some servers end at a question that comes before `initialize`), and remembered in the database.
//!
//! Owner of state: the verdicts of this run; the setting `era:…` of each. Durability: written before
//! the verdict is used; a verdict that is lost is found again.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use crate::{
    catalog::Program,
    db::{Db, settings},
    domain::names::ServiceName,
    mcp::{
        era::Era,
        error::UpstreamError,
        stdio::{Pipe, Probed, StatelessStdio, StdioLimits},
    },
    process::{Child, LaunchSpec, Launcher},
};

/// A probe takes no longer than this, however slowly the service starts.
const MAX_PROBE: Duration = Duration::from_secs(10);

/// The verdicts.
pub struct Eras {
    db: Db,
    known: Mutex<HashMap<String, Arc<OnceCell<Verdict>>>>,
}

/// What is known of a version of a service.
struct Verdict {
    era: Era,
    /// A probe that shows nothing (the child ended, or was silent) leaves the era to which most servers
    /// belong, for this run; it is written down when a child has been served in it.
    written: AtomicBool,
}

/// A version of a service, as far as its protocol depends on it.
#[derive(Clone)]
pub(super) struct Version(String);

impl Version {
    pub(super) fn of(service: &ServiceName, program: &Program) -> Self {
        let text = format!("{service}\0{}\0{:?}", program.program.display(), program.args);
        let digest = Sha256::digest(text.as_bytes());
        Self(format!("era:{}", digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
    }
}

impl Eras {
    /// Nothing is known beyond what `db` holds.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db, known: Mutex::default() }
    }

    fn cell(&self, version: &Version) -> Arc<OnceCell<Verdict>> {
        Arc::clone(self.known.lock().entry(version.0.clone()).or_default())
    }

    /// What `version` speaks. However many starts of it there are, it is probed once.
    pub(super) async fn of(&self, version: &Version, probe: impl Future<Output = Option<Era>>) -> Era {
        let cell = self.cell(version);
        let found = cell.get_or_init(|| async {
            if let Some(era) = self.recall(version).await {
                return Verdict { era, written: AtomicBool::new(true) };
            }
            match probe.await {
                Some(era) => {
                    self.write(version, Some(era)).await;
                    Verdict { era, written: AtomicBool::new(true) }
                }
                None => Verdict { era: Era::Session, written: AtomicBool::new(false) },
            }
        });
        found.await.era
    }

    /// A child has been served in the era that it was taken to speak.
    pub(super) async fn confirm(&self, version: &Version) {
        let cell = self.cell(version);
        if let Some(verdict) = cell.get()
            && !verdict.written.swap(true, Relaxed)
        {
            self.write(version, Some(verdict.era)).await;
        }
    }

    /// What was remembered has proven wrong: the next start probes again.
    pub(super) async fn forget(&self, version: &Version) {
        self.known.lock().remove(&version.0);
        self.write(version, None).await;
    }

    async fn recall(&self, version: &Version) -> Option<Era> {
        let key = version.0.clone();
        match self.db.read(move |conn| settings::get(conn, &key)).await {
            Ok(Some(text)) => Era::ALL.into_iter().find(|era| era.name() == text),
            Ok(None) => None,
            Err(error) => {
                log::warn!("the protocol era of a service cannot be read, so it is probed: {error}");
                None
            }
        }
    }

    async fn write(&self, version: &Version, era: Option<Era>) {
        let (key, text) = (version.0.clone(), era.map_or("", Era::name));
        if let Err(error) = self.db.write(move |conn| settings::put(conn, &key, text)).await {
            log::warn!("the protocol era of a service cannot be remembered, so it will be probed again: {error}");
        }
    }
}

/// Starts a process for `spec`, asks it what it speaks, and ends it.
pub(super) async fn probe(
    launcher: &dyn Launcher,
    spec: LaunchSpec,
    limits: StdioLimits,
    timeout: Duration,
) -> Option<Era> {
    let Child { stdin, stdout, mut stderr, exit, tree, .. } = launcher.launch(spec).await.ok()?;
    let (pipe, reading) = Pipe::start(stdin, stdout, limits);
    let read = Arc::clone(&pipe);
    let tasks = [
        actix_rt::spawn(Arc::clone(&pipe).drain()),
        actix_rt::spawn(async move { read.close(&format!("the probed process {}", reading.await)) }),
        // A child whose standard error is not read would block.
        actix_rt::spawn(async move { drop(tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await) }),
    ];
    let probed = tokio::select! {
        probed = StatelessStdio::probe(Arc::clone(&pipe), timeout.min(MAX_PROBE)) => probed,
        // Its pipes may live on in something that it has left behind.
        _ = exit => Err(UpstreamError::Closed { reason: "the probed process ended".to_owned() }),
    };
    pipe.close("it was only probed");
    for task in tasks {
        task.abort();
    }
    tree.kill().await;
    match probed {
        Ok(Probed::Stateless(_)) => Some(Era::Stateless),
        Ok(Probed::Session) => Some(Era::Session),
        Err(error) => {
            log::debug!("a probe has shown nothing: {error}");
            None
        }
    }
}
