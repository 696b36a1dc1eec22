//! Log files, and samples of what an instance uses.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix::{AsyncContext, Context};
use tokio::time::Instant;

use super::InstanceActor;
use crate::{
    actors::{
        Runtime,
        messages::{Happened, What},
    },
    domain::{
        crash::ExitReason,
        limits::{Strikes, Usage},
    },
    process::{
        Table, directory_bytes,
        logs::{LogFile, Rotation, archive},
        usage_of,
    },
    routing::Route,
};

/// Between two writes of the access log.
const FLUSH: Duration = Duration::from_secs(1);
/// Between two looks for client sessions, streams and questions that nobody comes back for.
const SWEEP: Duration = Duration::from_secs(60);
/// Between two looks at the age of the logs.
const MAINTAIN: Duration = Duration::from_secs(600);
/// Samples between two walks over the directories.
const DISK_EVERY: u32 = 6;

/// Logs and samples of one instance.
pub(in crate::actors) struct Housekeeping {
    error_path: PathBuf,
    access_path: PathBuf,
    rotation: Rotation,
    access_log: OnceLock<Arc<LogFile>>,
    strikes: Strikes,
    ticks: Option<u64>,
    sampled_at: Option<Instant>,
    samples: u32,
    disk: (u64, u64),
}

impl Housekeeping {
    pub(in crate::actors) fn new(runtime: &Runtime, logs: &Path) -> Self {
        let config = &runtime.config;
        let rotation = Rotation {
            max_bytes: config.log_max_bytes,
            keep: u32::try_from(config.log_keep).unwrap_or(u32::MAX),
            expire_after: config.log_max_age,
            ..Rotation::default()
        };
        Self {
            error_path: logs.join("error.log"),
            access_path: logs.join("access.log"),
            rotation,
            access_log: OnceLock::new(),
            strikes: Strikes::default(),
            ticks: None,
            sampled_at: None,
            samples: 0,
            disk: (0, 0),
        }
    }

    /// Where standard error goes, and how that is rotated.
    pub(super) fn error_log(&self) -> (PathBuf, Rotation) {
        (self.error_path.clone(), self.rotation)
    }

    /// Forgets the open access log: an expiry may have archived the file since.
    pub(in crate::actors) fn reopen(&mut self) {
        self.access_log = OnceLock::new();
    }

    /// Takes what the access log has gathered.
    pub(in crate::actors) fn take_lines(&self, route: &Route) -> Option<(Arc<LogFile>, String)> {
        let lines = route.access.take()?;
        open(&self.access_log, &self.access_path, self.rotation).map(|log| (log, lines))
    }

    pub(super) const fn measured(&mut self, disk_bytes: u64, log_bytes: u64) {
        self.disk = (disk_bytes, log_bytes);
    }
}

fn open(slot: &OnceLock<Arc<LogFile>>, path: &std::path::Path, rotation: Rotation) -> Option<Arc<LogFile>> {
    if slot.get().is_none() {
        let _ = slot.set(open_log(path.to_path_buf(), rotation)?);
    }
    slot.get().cloned()
}

/// A log file; `None` when it cannot be opened (the instance runs all the same).
pub(super) fn open_log(path: PathBuf, rotation: Rotation) -> Option<Arc<LogFile>> {
    LogFile::open(path, rotation).map(Arc::new).inspect_err(|error| log::error!("{error}")).ok()
}

/// Starts the timers of a fresh actor.
pub(super) fn schedule(context: &mut Context<InstanceActor>) {
    context.run_interval(FLUSH, |actor, _| {
        let lines = actor.housekeeping.take_lines(&actor.route);
        if lines.is_some() {
            actix_rt::spawn(write_lines(lines));
        }
    });
    context.run_interval(SWEEP, |actor, _| {
        actor.route.sessions.close_idle(actor.home.session_idle);
    });
    context.run_interval(MAINTAIN, |actor, _| {
        let access = actor.housekeeping.access_log.get().cloned();
        let error = actor.running.as_ref().and_then(|running| running.log.clone());
        let logs: Vec<Arc<LogFile>> = access.into_iter().chain(error).collect();
        actix_rt::spawn(async move {
            tokio::task::spawn_blocking(move || logs.iter().for_each(|log| log.maintain())).await
        });
    });
}

/// Writes access log lines. A disk that is full loses them: the calls were answered long ago.
pub(in crate::actors) async fn write_lines(lines: Option<(Arc<LogFile>, String)>) {
    let Some((log, lines)) = lines else { return };
    let written = tokio::task::spawn_blocking(move || log.append(lines.as_bytes())).await;
    if let Ok(Err(error)) = written {
        log::warn!("access log lines were lost: {error}");
    }
}

/// Compresses an expired instance's logs into `archive_dir`.
pub(in crate::actors) async fn archive_logs(logs: PathBuf, archive_dir: PathBuf) {
    let target = logs.file_name().map(|name| archive_dir.join(name)).unwrap_or(archive_dir);
    let archived =
        tokio::task::spawn_blocking(move || if logs.exists() { archive(&logs, &target).map(|_| ()) } else { Ok(()) })
            .await;
    if let Ok(Err(error)) = archived {
        log::error!("{error}");
    }
}

impl InstanceActor {
    /// A sample of all processes was taken: what of it is ours, and is it too much?
    pub(super) fn take_sample(&mut self, context: &mut Context<Self>, table: &Table) {
        let Some(running) = &self.running else { return };
        let keeping = &mut self.housekeeping;
        let elapsed = keeping.sampled_at.map_or(Duration::ZERO, |at| at.elapsed());
        let sample = usage_of(table, running.pid, keeping.ticks, elapsed);
        keeping.ticks = Some(sample.ticks);
        keeping.sampled_at = Some(Instant::now());
        let (disk_bytes, log_bytes) = keeping.disk;
        let usage = Usage { disk_bytes, log_bytes, ..sample.usage };
        self.route.set_usage(usage);
        if self.housekeeping.samples.is_multiple_of(DISK_EVERY) {
            self.measure(context);
        }
        self.housekeeping.samples = self.housekeeping.samples.wrapping_add(1);
        let manifest =
            self.runtime.catalog.get(&self.instance.service).map(|service| service.manifest.limits).unwrap_or_default();
        let over = self.instance.limits.or(manifest).exceeded_by(&usage);
        if self.housekeeping.strikes.record(over.is_some())
            && let Some(detail) = over
        {
            self.housekeeping.strikes = Strikes::default();
            self.fell(context, ExitReason::LimitExceeded { detail: format!("{detail} (three samples in a row)") });
        }
    }

    fn measure(&self, context: &mut Context<Self>) {
        let (actor, generation) = (context.address(), self.generation);
        let (root, logs) = (self.dirs.root.clone(), self.dirs.logs.clone());
        actix_rt::spawn(async move {
            let measured = tokio::task::spawn_blocking(move || (directory_bytes(&root), directory_bytes(&logs))).await;
            if let Ok((disk_bytes, log_bytes)) = measured {
                actor.do_send(Happened { generation, what: What::Measured { disk_bytes, log_bytes } });
            }
        });
    }
}
