//! Log files, and samples of what an instance uses.

use std::{
    error::Error as _,
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
        limits::{ByKernel, Limits, Strikes, Usage, size},
        time::Timestamp,
        usage::UsageHour,
    },
    process::{
        DirectorySize, InstanceDirs, Samples, archive, directory_size,
        logs::{LogFile, Rotation},
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

/// Samples between two writes of the hour's sum.
const WRITE_EVERY: u64 = 30;

/// Logs and samples of one instance.
pub(in crate::actors) struct Housekeeping {
    logs: PathBuf,
    rotation: Rotation,
    access_log: OnceLock<Arc<LogFile>>,
    strikes: Strikes,
    /// CPU time at the last sample of this start.
    cpu: Option<Duration>,
    /// Processes that the kernel had ended for want of memory by the last sample.
    oom_kills: u64,
    sampled_at: Option<Instant>,
    /// What was used and is not written yet.
    hour: Option<UsageHour>,
    /// Requests at the last sample.
    requests: u64,
    samples: u32,
    /// Its directories and its logs, when they were walked last.
    disk: (DirectorySize, DirectorySize),
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
            logs: logs.to_owned(),
            rotation,
            access_log: OnceLock::new(),
            strikes: Strikes::default(),
            cpu: None,
            oom_kills: 0,
            sampled_at: None,
            hour: None,
            requests: 0,
            samples: 0,
            disk: Default::default(),
        }
    }

    /// Where standard error goes, and how that is rotated.
    pub(in crate::actors) fn error_log(&self) -> (PathBuf, Rotation) {
        (self.logs.join("error.log"), self.rotation)
    }

    /// Forgets the open access log: an expiry may have archived the file since.
    pub(in crate::actors) fn reopen(&mut self) {
        self.access_log = OnceLock::new();
    }

    /// Takes what the access log has gathered.
    pub(in crate::actors) fn take_lines(&self, route: &Route) -> Option<(Arc<LogFile>, String)> {
        let lines = route.access.take()?;
        open(&self.access_log, &self.logs.join("access.log"), self.rotation).map(|log| (log, lines))
    }

    /// Adds a sample, with the requests there have ever been; gives what is due to be written.
    pub(in crate::actors) fn add_to_hour(
        &mut self,
        usage: &Usage,
        spent: Duration,
        requests: u64,
    ) -> Option<UsageHour> {
        let now = UsageHour::of(Timestamp::now());
        let due = self.hour.take_if(|hour| hour.hour != now.hour || hour.samples >= WRITE_EVERY);
        let new = requests.saturating_sub(std::mem::replace(&mut self.requests, requests));
        self.hour.get_or_insert(now).add(usage, spent, new);
        due
    }

    /// What was used and is not written yet.
    pub(in crate::actors) const fn take_hour(&mut self) -> Option<UsageHour> {
        self.hour.take()
    }

    pub(super) const fn measured(&mut self, disk: DirectorySize, logs: DirectorySize) {
        self.disk = (disk, logs);
    }

    /// A sample with what was measured last.
    const fn with_disk(&self, usage: Usage) -> Usage {
        let (disk, logs) = &self.disk;
        let disk_is_lower_bound = disk.is_lower_bound;
        Usage { disk_bytes: disk.bytes, disk_is_lower_bound, log_bytes: logs.bytes, ..usage }
    }
}

fn open(slot: &OnceLock<Arc<LogFile>>, path: &std::path::Path, rotation: Rotation) -> Option<Arc<LogFile>> {
    if slot.get().is_none() {
        let _ = slot.set(open_log(path.to_path_buf(), rotation)?);
    }
    slot.get().cloned()
}

/// A log file; `None` when it cannot be opened (the instance runs all the same).
pub(in crate::actors) fn open_log(path: PathBuf, rotation: Rotation) -> Option<Arc<LogFile>> {
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

/// Packs an expired instance's logs into a directory of their own in its archives, named by the time.
pub(in crate::actors) async fn archive_logs(dirs: InstanceDirs) {
    let Some(archives) = dirs.archives else { return };
    // Sorted as the times are, and a name on every file system.
    let target = archives.join(Timestamp::now().to_string().replace(':', "-"));
    let archived =
        tokio::task::spawn_blocking(move || if dirs.logs.exists() { archive(&dirs.logs, &target) } else { Ok(()) });
    if let Ok(Err(error)) = archived.await {
        log::error!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default());
    }
}

fn log_unmeasured(error: &std::io::Error) {
    log::warn!("disk use could not be measured: {error}; raise the open-files limit of Berth if it is used up");
}

impl InstanceActor {
    /// A sample of all processes was taken: what of it is ours, and is it too much?
    pub(super) fn take_sample(&mut self, context: &mut Context<Self>, samples: &Samples) {
        if self.home.is_pooled {
            self.count_requests();
        }
        let Some(running) = &self.running else { return };
        let keeping = &mut self.housekeeping;
        let elapsed = keeping.sampled_at.map_or(Duration::ZERO, |at| at.elapsed());
        let Some(sample) = samples.of(&running.tree, running.pid, keeping.cpu, elapsed) else { return };
        let spent = sample.cpu.saturating_sub(keeping.cpu.unwrap_or_default());
        keeping.cpu = Some(sample.cpu);
        keeping.sampled_at = Some(Instant::now());
        let usage = keeping.with_disk(sample.usage);
        self.route.set_usage(usage);
        if let Some(part) = self.housekeeping.add_to_hour(&usage, spent, self.route.access.requests()) {
            self.chronicle.usage(part);
        }
        if self.housekeeping.samples.is_multiple_of(DISK_EVERY) {
            self.measure(context);
        }
        self.housekeeping.samples = self.housekeeping.samples.wrapping_add(1);
        self.note_lost_to_memory();
        self.judge(context, &usage);
    }

    /// What an instance without a process uses is its requests.
    fn count_requests(&mut self) {
        let requests = self.route.access.requests();
        if requests == self.housekeeping.requests {
            return;
        }
        if let Some(part) = self.housekeeping.add_to_hour(&Usage::default(), Duration::ZERO, requests) {
            self.chronicle.usage(part);
        }
    }

    /// Ends the instance when `usage` is over a limit that the kernel does not enforce: at the third
    /// sample in a row, or at once when it is far over.
    fn judge(&mut self, context: &mut Context<Self>, usage: &Usage) {
        let cgroups = &self.runtime.cgroups;
        let kernel = ByKernel { memory: cgroups.limits_memory(), cpu: cgroups.limits_cpu() };
        let over = self.limits().exceeded_by(usage, kernel);
        let is_third = self.housekeeping.strikes.record(over.is_some());
        let Some(over) = over.filter(|over| is_third || over.at_once) else { return };
        self.housekeeping.strikes = Strikes::default();
        let how = if over.at_once { "more than twice" } else { "three samples in a row" };
        self.fell(context, ExitReason::LimitExceeded { detail: format!("{} ({how})", over.detail) });
    }

    /// Hands over what was used since the last time.
    pub(super) fn write_usage(&mut self) {
        if let Some(part) = self.housekeeping.take_hour() {
            self.chronicle.usage(part);
        }
    }

    fn limits(&self) -> Limits {
        let service = self.runtime.catalog.get(&self.instance.service);
        let service = service.map(|service| service.manifest.limits).unwrap_or_default();
        self.runtime.config.limits(self.instance.limits, service)
    }

    /// The kernel may have ended a process of the tree, and the leader lives on.
    fn note_lost_to_memory(&mut self) {
        let Some(running) = &self.running else { return };
        let (kills, limit) = (running.tree.oom_kills(), running.tree.memory_limit());
        let before = std::mem::replace(&mut self.housekeeping.oom_kills, kills);
        if kills > before {
            let limit = limit.map_or_else(|| "the machine's".to_owned(), size);
            self.note("out_of_memory", serde_json::json!({ "processes": kills - before, "limit": limit }));
        }
    }

    /// Whether want of memory ended the process, and the limit that it met: the kernel says so itself,
    /// and it was a moment ago.
    pub(super) fn memory_at_end(&self, reason: &ExitReason) -> (bool, Option<u64>) {
        let Some(running) = &self.running else { return (false, None) };
        let kills = running.tree.oom_kills();
        let killed = matches!(reason, ExitReason::Signal { signal: 9 });
        let is_cause = kills > 0 && (killed || kills > self.housekeeping.oom_kills);
        (is_cause, running.tree.memory_limit().filter(|_| is_cause))
    }

    /// A new process counts from nothing.
    pub(super) const fn begin_counting(&mut self) {
        self.housekeeping.cpu = None;
        self.housekeeping.sampled_at = None;
        self.housekeeping.oom_kills = 0;
    }

    fn measure(&self, context: &mut Context<Self>) {
        let (actor, generation) = (context.address(), self.generation);
        let (root, logs) = (self.home.dirs.root.clone(), self.home.dirs.logs.clone());
        actix_rt::spawn(async move {
            let measure = move || Ok((directory_size(&root)?, directory_size(&logs)?));
            match tokio::task::spawn_blocking(measure).await {
                Ok(Ok((disk, logs))) => actor.do_send(Happened { generation, what: What::Measured { disk, logs } }),
                // What was measured before stands.
                Ok(Err(error)) => log_unmeasured(&error),
                Err(_) => {}
            }
        });
    }
}
