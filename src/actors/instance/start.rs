//! One start of an instance, as a task: install, prepare, spawn, wait for the first answer.
//!
//! The task reports to its actor by messages with its generation; aborting it drops whatever it
//! has made so far, and with that kills it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix::Addr;
use tokio::{sync::watch, task::JoinHandle, time::Instant};

use super::{
    InstanceActor,
    child::{Running, finished},
    conversation::{Opening, Speaks},
    home::Home,
    housekeeping::open_log,
};
use crate::{
    actors::{
        Runtime, environment,
        environment::Values,
        eras,
        eras::Version,
        messages::{Happened, What},
        ports::PortLease,
    },
    catalog::{Program, Service},
    db::credentials,
    domain::{
        crash::ExitReason,
        ids::Generation,
        instance::{Instance, credential_owner},
        manifest::{CredentialKind, Launch, Transport},
        secret::Secret,
    },
    mcp::{
        era::Era,
        http::{HttpChild, HttpTarget},
        session::Sessions,
        stdio::{Pipe, StdioLimits},
        upstream::Upstream,
    },
    process::{Child, InstanceDirs, LaunchSpec, Marker, StderrTail, logs::Rotation},
    vault::Vault,
};

/// How long one start may hold its place among those that start at a time: a server that never
/// answers must not keep the others waiting.
const MAX_STARTING: Duration = Duration::from_secs(3);

/// A process that has answered.
pub(in crate::actors) struct Started {
    pub(super) upstream: Upstream,
}

/// What a start needs.
pub(super) struct StartJob {
    pub(super) runtime: Arc<Runtime>,
    pub(super) instance: Instance,
    pub(super) home: Home,
    pub(super) dirs: InstanceDirs,
    pub(super) sessions: Arc<Sessions>,
    pub(super) generation: Generation,
    pub(super) error_log: (std::path::PathBuf, Rotation),
    pub(super) actor: Addr<InstanceActor>,
    pub(super) previous: Option<JoinHandle<bool>>,
}

type Fingerprint = BTreeMap<String, String>;

/// What the owner and the vault add to the manifest.
struct Inputs {
    own_env: BTreeMap<String, String>,
    credential: Option<Secret>,
}

impl StartJob {
    /// Runs the start to its end and reports it.
    pub(super) async fn run(mut self) {
        finished(self.previous.take()).await;
        if let Err(reason) = self.start().await {
            self.report(What::Ended { reason });
        }
    }

    fn report(&self, what: What) {
        self.actor.do_send(Happened { generation: self.generation, what });
    }

    async fn start(&self) -> Result<(), ExitReason> {
        let name = &self.instance.service;
        let service = self
            .runtime
            .catalog
            .get(name)
            .ok_or_else(|| failed(format!("the service {name} is not in the catalog any more")))?;
        let program = self.install(&service).await?;
        let inputs = self.inputs(&service).await?;
        let fingerprint = environment::fingerprint(&self.instance, &service, &inputs.own_env);
        let upstream = match program {
            None => self.connect_remote(&service, inputs, fingerprint).await?,
            Some(program) => self.spawn(&service, &program, inputs, fingerprint).await?,
        };
        self.report(What::Ready { started: Box::new(Started { upstream }) });
        Ok(())
    }

    async fn install(&self, service: &Service) -> Result<Option<Program>, ExitReason> {
        let (actor, generation) = (self.actor.clone(), self.generation);
        let progress =
            move |line: &str| actor.do_send(Happened { generation, what: What::Progressed { text: line.to_owned() } });
        self.runtime.installer.ensure(service, &progress).await.map_err(|error| failed(chain(&error)))
    }

    /// Opens what is sealed. The clear text lives until the launch stage has it.
    async fn inputs(&self, service: &Service) -> Result<Inputs, ExitReason> {
        let own_env = open_environment(&self.runtime.vault, &self.instance)?;
        let credential = match self.instance.credential_id {
            None => None,
            Some(id) => {
                let row = self.runtime.db.read(move |conn| credentials::by_id(conn, id)).await;
                let row = row.map_err(|error| failed(format!("its credential cannot be read: {error}")))?;
                let owner = credential_owner(row.user_id, row.id);
                Some(
                    self.runtime
                        .vault
                        .open_sealed(&owner, &row.sealed)
                        .map_err(|error| failed(format!("its credential cannot be opened: {error}")))?,
                )
            }
        };
        if credential.is_none() && service.manifest.credential.kind != CredentialKind::None {
            return Err(failed("it has no credential any more; give it one".to_owned()));
        }
        Ok(Inputs { own_env, credential })
    }

    async fn connect_remote(
        &self,
        service: &Service,
        inputs: Inputs,
        fingerprint: Fingerprint,
    ) -> Result<Upstream, ExitReason> {
        let Launch::Remote { url, .. } = &service.manifest.launch else {
            return Err(failed("the service has neither a program nor a URL".to_owned()));
        };
        let values = Values::new(&self.instance, service, &self.home, None, inputs.credential);
        let origin = url.origin().ascii_serialization();
        let path = url.as_str().strip_prefix(origin.as_str()).unwrap_or("/").to_owned();
        let upstream = self.http(HttpTarget { origin, path, headers: values.headers(service) });
        self.report(What::Spawned { running: None, fingerprint });
        let timeout = service.manifest.health.start_timeout();
        let opened = self.opening(timeout).knock(&upstream, timeout).await;
        opened.map_err(|error| error.to_string()).flatten().map_err(|detail| ExitReason::NotReady { detail })
    }

    async fn spawn(
        &self,
        service: &Service,
        program: &Program,
        inputs: Inputs,
        fingerprint: Fingerprint,
    ) -> Result<Upstream, ExitReason> {
        self.prepare_directories().await?;
        let port = match service.manifest.transport {
            Transport::Stdio => None,
            Transport::Http => Some(self.lease_port()?),
        };
        let Inputs { own_env, credential } = inputs;
        let values = Values::new(&self.instance, service, &self.home, port.as_ref().map(PortLease::port), credential);
        let spec = self.spec(service, program, &values, &own_env);
        let timeout = service.manifest.health.start_timeout();
        let version = Version::of(&self.instance.service, program);
        // Before its turn: a server that is silent when probed must not keep others from starting.
        let era = if port.is_some() { Era::Session } else { self.era(&version, &spec, timeout).await };
        let turn = self.runtime.starting.acquire().await;
        let started = Instant::now();
        let child = self.runtime.launcher.launch(spec).await.map_err(ExitReason::from)?;
        self.runtime.metrics.starts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let tail = Arc::new(StderrTail::masking(values.mask(&own_env)));
        let (running, speaks) = self.take_over((child, Arc::clone(&tail)), port, service, &values, (version, era));
        let ended = running.ended.clone();
        self.report(What::Spawned { running: Some(Box::new(running)), fingerprint });
        let left = timeout.saturating_sub(started.elapsed());
        match with_turn(turn, self.opening(left).open(&speaks)).await {
            Ok(upstream) => Ok(upstream),
            Err(detail) => {
                leave_to_its_watcher(ended).await;
                Err(ExitReason::NotReady { detail: speaks.with_noise(detail, &tail) })
            }
        }
    }

    fn opening(&self, timeout: Duration) -> Opening<'_> {
        Opening { runtime: &self.runtime, sessions: &self.sessions, owner: self.instance.user_id, timeout }
    }

    /// What the program speaks, as far as it can be known before it serves.
    async fn era(&self, version: &Version, spec: &LaunchSpec, timeout: Duration) -> Era {
        let probe = eras::probe(&*self.runtime.launcher, spec.clone(), self.stdio_limits(), timeout / 2);
        self.runtime.eras.of(version, probe).await
    }

    async fn prepare_directories(&self) -> Result<(), ExitReason> {
        let dirs = self.dirs.clone();
        let made = tokio::task::spawn_blocking(move || dirs.create().and_then(|()| dirs.empty_tmp())).await;
        match made {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(failed(format!("its directories cannot be made: {error}"))),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    fn lease_port(&self) -> Result<PortLease, ExitReason> {
        let lease = self.runtime.ports.lease(self.instance.port, self.instance.user_number, self.instance.number);
        lease.ok_or_else(|| {
            failed(format!("no port is free in {}; stop an instance or widen `ports`", self.runtime.ports.range()))
        })
    }

    fn spec(
        &self,
        service: &Service,
        program: &Program,
        values: &Values,
        own_env: &BTreeMap<String, String>,
    ) -> LaunchSpec {
        let limits = self.runtime.config.limits(self.instance.limits, service.manifest.limits);
        LaunchSpec {
            name: self.home.name.clone(),
            program: program.program.clone(),
            args: values.arguments(service, program),
            env: values.environment(service, program, &self.dirs, own_env),
            cwd: self.dirs.work.clone(),
            open_files: limits.open_files,
            cgroup: Some(limits),
            marker: Marker { host: self.runtime.host.clone(), instance: self.home.mark, generation: self.generation },
        }
    }

    /// Starts the tasks that live with the child.
    fn take_over(
        &self,
        (child, tail): (Child, Arc<StderrTail>),
        port: Option<PortLease>,
        service: &Service,
        values: &Values,
        (version, era): (Version, Era),
    ) -> (Running, Speaks) {
        let Child { pid, stdin, stdout, stderr, exit, tree } = child;
        let tree = Arc::new(tree);
        let (ended, watching) = watch::channel(false);
        let mut tasks = Vec::new();
        // Opened only now: the end of the process before may have archived the file.
        let (path, rotation) = self.error_log.clone();
        let log = open_log(path, rotation);
        let pump = log.clone().map(|log| actix_rt::spawn(crate::process::pump(stderr, log, Arc::clone(&tail))));
        let (speaks, stdin, reading) = match &port {
            None => {
                let limits = self.stdio_limits();
                let (pipe, reading) = Pipe::start(stdin, stdout, limits);
                tasks.push(actix_rt::spawn(Arc::clone(&pipe).drain()));
                (Speaks::Stdio { pipe, version, era }, None, Some(actix_rt::spawn(reading)))
            }
            Some(port) => {
                // What an HTTP server prints on its standard output is log, too.
                if let Some(log) = log.clone() {
                    let pump = crate::process::pump(stdout, log, Arc::clone(&tail));
                    tasks.push(actix_rt::spawn(async move {
                        let _ = pump.await;
                    }));
                }
                let path = match &service.manifest.launch {
                    Launch::Http { path, .. } => path.clone(),
                    _ => "/mcp".to_owned(),
                };
                let target = HttpTarget {
                    origin: format!("http://127.0.0.1:{}", port.port()),
                    path,
                    headers: values.headers(service),
                };
                (Speaks::Http(self.http(target)), Some(stdin), None)
            }
        };
        let watch = super::watching::Watch {
            exit,
            reading,
            pump,
            tree: Arc::clone(&tree),
            ended,
            actor: self.actor.clone(),
            generation: self.generation,
        };
        tasks.push(actix_rt::spawn(watch.run()));
        let stdio = match &speaks {
            Speaks::Stdio { pipe, .. } => Some(Arc::clone(pipe)),
            Speaks::Http(_) => None,
        };
        (Running { pid, tree, tail, log, ended: watching, stdio, stdin, port, tasks }, speaks)
    }

    fn stdio_limits(&self) -> StdioLimits {
        let config = &self.runtime.config;
        StdioLimits {
            max_line_bytes: config.max_line_bytes,
            max_backlog_bytes: config.max_line_bytes,
            call_timeout: config.call_timeout,
        }
    }

    fn http(&self, target: HttpTarget) -> Arc<HttpChild> {
        let config = &self.runtime.config;
        HttpChild::new(target, config.call_timeout, config.max_line_bytes)
    }
}

/// A process that has ended is reported by its watcher, which knows how; this start is dropped then.
/// Returns soon when the process lives.
async fn leave_to_its_watcher(mut ended: watch::Receiver<bool>) {
    const SOON: Duration = Duration::from_millis(500);
    const LONG: Duration = Duration::from_secs(10);
    if let Ok(Ok(_)) = tokio::time::timeout(SOON, ended.wait_for(|ended| *ended)).await {
        tokio::time::sleep(LONG).await;
    }
}

/// Awaits `ready`, holding `turn` for at most [`MAX_STARTING`] of it.
async fn with_turn<T, G>(turn: G, ready: impl Future<Output = T>) -> T {
    tokio::pin!(ready);
    match tokio::time::timeout(MAX_STARTING, &mut ready).await {
        Ok(done) => done,
        Err(_) => {
            drop(turn);
            ready.await
        }
    }
}

fn open_environment(vault: &Vault, instance: &Instance) -> Result<BTreeMap<String, String>, ExitReason> {
    let Some(sealed) = &instance.env_sealed else { return Ok(BTreeMap::new()) };
    let opened = vault.open_sealed(&instance.env_owner(), sealed);
    let json = opened.map_err(|error| failed(format!("its environment cannot be opened: {error}")))?;
    serde_json::from_str(json.expose())
        .map_err(|_| failed("its environment is not readable any more; set it again".to_owned()))
}

const fn failed(detail: String) -> ExitReason {
    ExitReason::SpawnFailed { detail }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
