//! The package cache: what a service needs is installed once and shared, read-only, by all instances.
//!
//! ```text
//! <cache>/npm/<package>@<version>/     node_modules and the lock that npm made
//! <cache>/pypi/<package>@<version>/    a virtual environment; made in place, as it cannot be moved
//! <cache>/deps/<hash>/                 node_modules of a bundled service, by its package.json and lock
//! <cache>/node/<service>-<hash>/       a bundled service's source, linked to its dependencies
//! <cache>/home, <cache>/staging, <cache>/locks
//! ```
//!
//! Invariants: a folder is used only when its completion marker is there; two callers never install
//! one thing at once, in this process (they share one flight) or in another (a file lock); a
//! failure leaves nothing and is not remembered; what is complete needs neither tool nor network.

use std::{
    collections::HashMap,
    fs::TryLockError,
    future::Future,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Environment, InstallError, Origin, Program, Service,
    cache::{Cache, blocking},
    files,
    node::NodeService,
    npm::NpmPackage,
    program::{files_of, folders_of},
    pypi::PypiPackage,
    tool::{Progress, Tool},
};
use crate::domain::manifest::Launch;

/// One installation may take this long.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// What `berth service check` can say about a service without installing anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What would be installed; none when nothing needs to be.
    pub installs: Option<String>,
    /// Whether all of it is there already.
    pub installed: bool,
}

type Outcome = Result<(), InstallError>;
type Flight = Shared<BoxFuture<'static, Outcome>>;

/// An installation that is under way, and what it says.
struct Flying {
    flight: WeakShared<BoxFuture<'static, Outcome>>,
    said: watch::Receiver<String>,
}

/// Installs what services need and says how they are started. Cheap to clone.
#[derive(Clone)]
pub struct Installer {
    pub(super) cache: Arc<Cache>,
    flights: Arc<Mutex<HashMap<PathBuf, Flying>>>,
}

impl std::fmt::Debug for Installer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Installer").field("cache", &self.cache.root).finish_non_exhaustive()
    }
}

impl Installer {
    /// An installer into `cache_dir`, which is made when first needed.
    #[must_use]
    pub fn new(cache_dir: PathBuf) -> Self {
        Self::with_environment(cache_dir, Environment::of_this_process(), TIME_LIMIT)
    }

    /// As [`new`](Self::new), with the variables and the time limit that are given.
    #[must_use]
    pub fn with_environment(cache_dir: PathBuf, environment: Environment, time_limit: Duration) -> Self {
        let root = std::path::absolute(&cache_dir).unwrap_or(cache_dir);
        let tool = Tool { environment, home: root.join("home"), time_limit };
        let cache = Arc::new(Cache { root, tool, keeps_compiled_code: OnceLock::new() });
        cache.clear_stale();
        Self { cache, flights: Arc::default() }
    }

    /// The program of `service`, after installing what is missing; none for a server that runs
    /// elsewhere. `progress` is told a line at a time what is being waited for. When every caller
    /// has gone away the tool is ended.
    ///
    /// # Errors
    /// When a tool, a package or a command is missing or an installation fails; the next call tries
    /// again.
    pub async fn ensure(
        &self,
        service: &Service,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<Option<Program>, InstallError> {
        let program = match &service.manifest.launch {
            Launch::Npm { package, version, entry, args } => {
                let package = NpmPackage::new(&self.cache, package, version);
                self.npm(&package, progress).await?;
                package.program(&self.cache, entry.as_deref(), args)?
            }
            Launch::Pypi { package, version, entry, args } => {
                let package = PypiPackage::new(&self.cache, package, version);
                self.pypi(&package, progress).await?;
                package.program(entry.as_deref(), args)?
            }
            Launch::Node { entry, args } => {
                let node = self.node(service, progress).await?;
                node.program(&self.cache, entry, args)?
            }
            Launch::Command { command, args } | Launch::Http { command, args, .. } => {
                self.command(service, command, args)?
            }
            Launch::Remote { .. } => return Ok(None),
        };
        Ok(Some(program))
    }

    /// What [`ensure`](Self::ensure) would install. Reads files.
    ///
    /// # Errors
    /// When the command or a tool that it would need is missing.
    pub fn plan(&self, service: &Service) -> Result<Plan, InstallError> {
        let plan = |installs: String, installed: bool| Plan { installs: Some(installs), installed };
        match &service.manifest.launch {
            Launch::Npm { package, version, .. } => {
                self.cache.tool_path("npm", "npm", "nodejs npm")?;
                let package = NpmPackage::new(&self.cache, package, version);
                Ok(plan(package.label(), files::is_complete(package.folder())))
            }
            Launch::Pypi { package, version, .. } => {
                let package = PypiPackage::new(&self.cache, package, version);
                Ok(plan(package.label(), files::is_complete(package.folder())))
            }
            Launch::Node { .. } => {
                self.cache.tool_path("node", "Node.js (node)", "nodejs")?;
                let node = NodeService::look_at(&self.cache, &service.manifest.name, folder_of(service)?)?;
                Ok(node.plan())
            }
            Launch::Command { command, args } | Launch::Http { command, args, .. } => {
                self.command(service, command, args).map(|_| Plan { installs: None, installed: true })
            }
            Launch::Remote { .. } => Ok(Plan { installs: None, installed: true }),
        }
    }

    fn command(&self, service: &Service, command: &str, args: &[String]) -> Result<Program, InstallError> {
        let missing = || InstallError::CommandMissing { command: command.to_owned() };
        let program = self.cache.tool.environment.find(command).ok_or_else(missing)?;
        // A user who adds a service opens nothing of this host but that file.
        let read_only = match service.origin {
            Origin::Runtime { owner: Some(_) } => files_of(&program),
            Origin::Runtime { owner: None } | Origin::Bundled { .. } => folders_of(&program),
        };
        Ok(Program { program, args: args.to_vec(), read_only, ..Program::default() })
    }

    async fn npm(&self, package: &NpmPackage, progress: &(dyn Fn(&str) + Send + Sync)) -> Outcome {
        let (cache, job) = (Arc::clone(&self.cache), package.clone());
        self.once(package.folder(), package.label(), progress, |said| async move { job.install(&cache, &said).await })
            .await
    }

    async fn pypi(&self, package: &PypiPackage, progress: &(dyn Fn(&str) + Send + Sync)) -> Outcome {
        let (cache, job) = (Arc::clone(&self.cache), package.clone());
        self.once(package.folder(), package.label(), progress, |said| async move { job.install(&cache, &said).await })
            .await
    }

    async fn node(
        &self,
        service: &Service,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> Result<NodeService, InstallError> {
        let (cache, name, folder) =
            (Arc::clone(&self.cache), service.manifest.name.clone(), folder_of(service)?.to_owned());
        let node = blocking(move || NodeService::look_at(&cache, &name, &folder)).await?;
        let Some(needs) = node.needs().cloned() else { return Ok(node) };
        let (cache, job) = (Arc::clone(&self.cache), needs.clone());
        self.once(&needs.dependencies, needs.label(), progress, |said| async move { job.install(&cache, &said).await })
            .await?;
        let (cache, job) = (Arc::clone(&self.cache), needs.clone());
        self.once(&needs.copy, needs.label(), progress, |_| blocking(move || job.copy_source(&cache))).await?;
        Ok(node)
    }

    /// Runs `job` unless `folder` is complete, or joins the one that is running for it.
    async fn once<F>(
        &self,
        folder: &Path,
        label: String,
        progress: &(dyn Fn(&str) + Send + Sync),
        job: impl FnOnce(Progress) -> F + Send + 'static,
    ) -> Outcome
    where
        F: Future<Output = Outcome> + Send,
    {
        if files::is_complete(folder) {
            return Ok(());
        }
        let (mut flight, mut said) = self.join(folder, label, job);
        loop {
            tokio::select! {
                outcome = &mut flight => return outcome,
                Ok(()) = said.changed() => {
                    let line = said.borrow_and_update().clone();
                    progress(&line);
                }
            }
        }
    }

    fn join<F>(
        &self,
        folder: &Path,
        label: String,
        job: impl FnOnce(Progress) -> F + Send + 'static,
    ) -> (Flight, watch::Receiver<String>)
    where
        F: Future<Output = Outcome> + Send,
    {
        let mut flights = self.flights.lock();
        flights.retain(|_, flying| flying.flight.upgrade().is_some_and(|flight| flight.peek().is_none()));
        if let Some(flying) = flights.get(folder)
            && let Some(flight) = flying.flight.upgrade()
        {
            let mut said = flying.said.clone();
            said.mark_changed();
            return (flight, said);
        }
        let (sender, mut said) = watch::channel(String::new());
        let (cache, target) = (Arc::clone(&self.cache), folder.to_owned());
        let flight = async move { alone(&cache, &target, Progress::new(label, sender), job).await }.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(folder.to_owned(), Flying { flight: weak, said: said.clone() });
        }
        said.mark_unchanged();
        (flight, said)
    }
}

fn folder_of(service: &Service) -> Result<&Path, InstallError> {
    match &service.origin {
        Origin::Bundled { folder } => Ok(folder),
        Origin::Runtime { .. } => {
            Err(InstallError::no_program(service.manifest.name.as_str(), "it has no folder in the services directory"))
        }
    }
}

/// Runs `job` while no other process installs into `folder`, unless one has done so meanwhile.
async fn alone<F>(cache: &Cache, folder: &Path, progress: Progress, job: impl FnOnce(Progress) -> F) -> Outcome
where
    F: Future<Output = Outcome> + Send,
{
    let lock = cache.lock_file(folder)?;
    loop {
        match lock.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => progress.say("waiting for another Berth that is installing it"),
            Err(TryLockError::Error(error)) => return Err(InstallError::file(folder, &error)),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    if files::is_complete(folder) { Ok(()) } else { job(progress).await }
}
