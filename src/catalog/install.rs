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
    fs::{self, File, TryLockError},
    future::Future,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::sync::watch;

use super::{
    Environment, Origin, Program, Service, files,
    node::NodeService,
    npm::NpmPackage,
    program::{as_argument, folders_of},
    pypi::PypiPackage,
    tool::{Progress, Tool},
};
use crate::domain::manifest::Launch;

/// One installation may take this long.
const TIME_LIMIT: Duration = Duration::from_secs(600);
/// What is left in the staging folder for longer was left by a crash.
const STALE: Duration = Duration::from_secs(3600);

/// Why a service's program is not there.
#[derive(Clone, Debug, Error)]
pub enum InstallError {
    /// A program of the host is needed first.
    #[error("{tool} is not on this machine; install it (Debian: apt install {debian}) and start again")]
    ToolMissing {
        /// What is missing.
        tool: &'static str,
        /// The Debian packages that have it.
        debian: &'static str,
    },
    /// A tool ended badly. Nothing of the installation was kept.
    #[error("installing {what} failed ({ending}): {advice}\n{output}")]
    Tool {
        /// What was installed.
        what: String,
        /// Exit status, or that it took too long.
        ending: String,
        /// What to do next.
        advice: &'static str,
        /// The last lines of its output.
        output: String,
    },
    /// The package is there, but has no such program.
    #[error("{package} has no program to start: {reason}")]
    NoProgram {
        /// The package.
        package: String,
        /// What was looked for, and what there is.
        reason: String,
    },
    /// The command of the manifest is not there.
    #[error("the command {command:?} is not an executable file on this machine; install it or correct the manifest")]
    CommandMissing {
        /// As in the manifest.
        command: String,
    },
    /// A file or folder could not be used.
    #[error("cannot use {path}: {reason}; check that the disk has room and Berth may write there")]
    Files {
        /// Which.
        path: String,
        /// What the operating system said.
        reason: String,
    },
}

impl InstallError {
    pub(super) fn file(path: impl AsRef<Path>, error: &io::Error) -> Self {
        Self::Files { path: path.as_ref().display().to_string(), reason: error.to_string() }
    }

    pub(super) fn no_program(package: &str, reason: impl Into<String>) -> Self {
        Self::NoProgram { package: package.to_owned(), reason: reason.into() }
    }

    pub(super) fn tool(what: &str, ending: &str, lines: &[String]) -> Self {
        let output = lines.join("\n");
        Self::Tool { what: what.to_owned(), ending: ending.to_owned(), advice: advice_for(&output), output }
    }
}

/// What to do next, from what the tools are known to say.
fn advice_for(output: &str) -> &'static str {
    const KNOWN: &[(&[&str], &str)] = &[
        (
            &["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT", "ENETUNREACH", "ENOTCACHED"],
            "the registry cannot be reached: check the network, HTTPS_PROXY and the registry in ~/.npmrc",
        ),
        (
            &["NewConnectionError", "Failed to establish a new connection", "ConnectTimeoutError", "dns error"],
            "the index cannot be reached: check the network, HTTPS_PROXY and the index in pip.conf",
        ),
        (
            &["CERTIFICATE", "certificate", "UnknownIssuer"],
            "the registry's certificate is not trusted: set NODE_EXTRA_CA_CERTS or PIP_CERT to your authority's file",
        ),
        (&["ENOSPC", "No space left"], "the disk is full: make room in the data directory"),
        (&["E401", "E403", "401 ", "403 "], "the registry refused access: check the token in ~/.npmrc or pip.conf"),
        (
            &["E404", "ETARGET", "No matching distribution", "no version of", "not found in the package registry"],
            "there is no such package and version, or it has no wheel for this machine: correct the manifest",
        ),
    ];
    let known = KNOWN.iter().find(|(signs, _)| signs.iter().any(|sign| output.contains(sign)));
    known.map_or("nothing was kept; see what the tool said and start again", |(_, advice)| advice)
}

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
    cache: Arc<Cache>,
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
        let cache = Arc::new(Cache { root, tool });
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
            Launch::Command { command, args } | Launch::Http { command, args, .. } => self.command(command, args)?,
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
                self.command(command, args).map(|_| Plan { installs: None, installed: true })
            }
            Launch::Remote { .. } => Ok(Plan { installs: None, installed: true }),
        }
    }

    fn command(&self, command: &str, args: &[String]) -> Result<Program, InstallError> {
        let missing = || InstallError::CommandMissing { command: command.to_owned() };
        let program = self.cache.tool.environment.find(command).ok_or_else(missing)?;
        let read_only = folders_of(&program);
        Ok(Program { program, args: args.to_vec(), read_only })
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

/// Runs file work on a blocking thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, InstallError> + Send + 'static,
) -> Result<T, InstallError> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|error| {
        Err(InstallError::Files { path: "the package cache".to_owned(), reason: error.to_string() })
    })
}

/// The folder of everything that is installed, and how tools are run in it.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) root: PathBuf,
    pub(super) tool: Tool,
}

impl Cache {
    /// The absolute path of a tool of the host.
    pub(super) fn tool_path(
        &self,
        command: &str,
        tool: &'static str,
        debian: &'static str,
    ) -> Result<PathBuf, InstallError> {
        self.tool.environment.find(command).ok_or(InstallError::ToolMissing { tool, debian })
    }

    /// Makes `folder` and the tools' home.
    pub(super) fn make(&self, folder: &Path) -> Outcome {
        [folder, &self.tool.home]
            .into_iter()
            .try_for_each(|folder| files::make_folder(folder).map_err(|error| InstallError::file(folder, &error)))
    }

    /// A path below the staging folder that nobody else uses.
    pub(super) fn staging_path(&self) -> PathBuf {
        self.root.join("staging").join(uuid::Uuid::now_v7().to_string())
    }

    /// A new folder that is removed unless kept, and where its removal happens.
    pub(super) fn stage(&self) -> Result<(PathBuf, files::Unfinished), InstallError> {
        let folder = self.staging_path();
        self.make(&folder)?;
        Ok((folder.clone(), files::Unfinished::new(folder, self.staging_path())))
    }

    /// Marks a staged folder as complete and moves it to where it is used.
    pub(super) fn publish(&self, staged: &Path, unfinished: files::Unfinished, target: &Path) -> Outcome {
        let publish = || -> io::Result<()> {
            files::complete(staged)?;
            files::make_folder(target.parent().unwrap_or(&self.root))?;
            files::remove(target)?;
            fs::rename(staged, target)
        };
        publish().map_err(|error| InstallError::file(target, &error))?;
        unfinished.keep();
        Ok(())
    }

    fn lock_file(&self, folder: &Path) -> Result<File, InstallError> {
        let locks = self.root.join("locks");
        self.make(&locks)?;
        let mut hash = Sha256::new();
        files::field(&mut hash, folder.as_os_str().as_encoded_bytes());
        let path = locks.join(files::digits(hash));
        File::create(&path).map_err(|error| InstallError::file(&path, &error))
    }

    /// Removes what crashes have left in the staging folder.
    fn clear_stale(&self) {
        let Ok(entries) = fs::read_dir(self.root.join("staging")) else { return };
        let is_stale = |entry: &fs::DirEntry| {
            let age = entry.metadata().and_then(|about| about.modified()).ok().and_then(|at| at.elapsed().ok());
            age.is_some_and(|age| age > STALE)
        };
        for entry in entries.filter_map(Result::ok).filter(is_stale) {
            if let Err(error) = files::remove(&entry.path()) {
                log::warn!("cannot remove {} of the package cache: {error}", as_argument(&entry.path()));
            }
        }
    }
}
