//! One start of an instance, as a task: install, prepare, spawn, wait for the first answer.
//!
//! The task reports to its actor by messages with its generation; aborting it drops whatever it
//! has made so far, and with that kills it.

mod inputs;
mod joining;
mod preparing;
mod taking_over;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use actix::Addr;
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use tokio_util::task::TaskTracker;

use self::{inputs::Inputs, preparing::Prepared};
use super::{
    InstanceActor,
    child::{Ending, finished},
    conversation::Opening,
    home::Home,
};
use crate::{
    actors::{
        Runtime,
        environment::{self, Values},
        messages::{Happened, What},
        places::{Claim, Place},
    },
    catalog::{Origin, Program, Service},
    db::entitlements,
    domain::{
        crash::ExitReason, fingerprint::Fingerprint, ids::Generation, instance::Instance, limits::Limits,
        manifest::Launch,
    },
    mcp::{
        http::{Address, HttpChild, HttpTarget},
        session::Sessions,
        stdio::StdioLimits,
        upstream::Upstream,
    },
    process::{InstanceDirs, StderrTail, logs::Rotation},
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
    pub(super) instance: Arc<Instance>,
    pub(super) home: Home,
    pub(super) dirs: InstanceDirs,
    /// Work of this start on other threads, which aborting it does not end.
    pub(super) preparing: TaskTracker,
    pub(super) sessions: Arc<Sessions>,
    pub(super) generation: Generation,
    pub(super) error_log: (std::path::PathBuf, Rotation),
    pub(super) actor: Addr<InstanceActor>,
    pub(super) previous: Option<Ending>,
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
        if self.home.is_pooled {
            return self.join(&service).await;
        }
        let place = self.place(&service).await?;
        let program = self.install(&service).await?;
        let inputs = self.inputs(&service).await?;
        let fingerprint = environment::fingerprint(&self.runtime.vault, &self.instance, &service, &inputs.own_env);
        let upstream = match program {
            None => self.connect_remote(&service, inputs, fingerprint).await?,
            Some(program) => self.spawn(&service, &program, (inputs, place), fingerprint).await?,
        };
        self.report(What::Ready { started: Box::new(Started { upstream }) });
        Ok(())
    }

    /// A place for the process, as far as its owner's quota has one. A remote server has no process, and that of a
    /// shared service is nobody's: neither needs one.
    async fn place(&self, service: &Service) -> Result<Option<Place>, ExitReason> {
        if matches!(service.manifest.launch, Launch::Remote { .. }) || !self.home.takes_place {
            return Ok(None);
        }
        let user = self.instance.user_id;
        let grants = self.runtime.db.read(move |conn| entitlements::of_user(conn, user)).await;
        let grants = grants.map_err(|error| failed(format!("its owner's quota cannot be read: {}", chain(&error))))?;
        let memory = self.runtime.config.limits(self.instance.limits, service.manifest.limits).memory_bytes;
        let (instance, mark) = (self.instance.id, self.home.mark);
        let claim = Claim { user, instance, mark, memory_bytes: memory.unwrap_or_default() };
        let taken = self.runtime.places.take(&grants.entitlement(self.runtime.quota), claim);
        taken.map(Some).map_err(|refusal| ExitReason::QuotaReached { detail: refusal.to_string() })
    }

    async fn install(&self, service: &Service) -> Result<Option<Program>, ExitReason> {
        let (actor, generation) = (self.actor.clone(), self.generation);
        let progress =
            move |line: &str| actor.do_send(Happened { generation, what: What::Progressed { text: line.to_owned() } });
        self.runtime.installer.ensure(service, &progress).await.map_err(|error| failed(chain(&error)))
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
        let values = Values::new(&self.instance, service, &self.home, (None, Limits::default()), inputs.credential);
        let values = values.with_own(inputs.own_env);
        let origin = url.origin().ascii_serialization();
        let path = values.path(&service.manifest.launch).map_err(failed)?;
        // An administrator's may be of this network; a user's must not lead into it.
        let is_users = matches!(service.origin, Origin::Runtime { owner: Some(_) });
        let address = if is_users { Address::outside(origin) } else { Address::at(origin) };
        let upstream = self.http(HttpTarget::new(address, path, values.headers(&self.instance, service)));
        self.report(What::Spawned { running: None, fingerprint });
        let timeout = service.manifest.health.start_timeout();
        let opened = self.opening(timeout).knock(&upstream, timeout).await;
        opened.map_err(|error| error.to_string()).flatten().map_err(|detail| ExitReason::NotReady { detail })
    }

    async fn spawn(
        &self,
        service: &Service,
        program: &Program,
        (inputs, place): (Inputs, Option<Place>),
        fingerprint: Fingerprint,
    ) -> Result<Upstream, ExitReason> {
        let timeout = service.manifest.health.start_timeout();
        let Prepared { spec, port, values, mask, protocol } = self.prepare(service, program, inputs, timeout).await?;
        let turn = self.runtime.starting.acquire().await;
        let started = Instant::now();
        let child = self.runtime.launcher.launch(spec).await.map_err(ExitReason::from)?;
        self.runtime.metrics.starts.fetch_add(1, Relaxed);
        let tail = Arc::new(StderrTail::masking(mask));
        let (running, speaks) = self.take_over((child, Arc::clone(&tail)), (port, place), service, &values, protocol);
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

/// A start that is under way.
pub(super) struct Starting {
    task: JoinHandle<()>,
    preparing: TaskTracker,
}

impl Starting {
    pub(super) fn new(task: JoinHandle<()>, preparing: TaskTracker) -> Self {
        Self { task, preparing }
    }

    /// Aborts the start: dropping it drops its half-made child, which kills the tree. Waits for `previous`, and
    /// for what the start has begun on other threads: directories must not come to be behind who removes them.
    pub(super) fn give_up(self, previous: Option<Ending>) -> impl Future<Output = bool> + 'static {
        self.task.abort();
        self.preparing.close();
        async move {
            let ended = finished(previous).await;
            self.preparing.wait().await;
            ended
        }
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
