//! What begins when the process exists: the tasks that live with it, and the way to speak with it.
//!
//! The tasks belong to the [`Running`] that is made here. The pump of the error log alone does not: it ends by
//! itself, when the last process that holds the pipe has.

use std::sync::Arc;

use tokio::{net::unix::pipe, sync::watch, task::JoinHandle};

use super::StartJob;
use crate::{
    actors::{
        contract,
        environment::Values,
        eras::Version,
        instance::{
            child::Running,
            conversation::{Listening, Speaks},
            housekeeping::open_log,
            network,
            watching::Watch,
        },
        places::Place,
        ports::PortLease,
    },
    catalog::Service,
    domain::manifest::Launch,
    mcp::{
        era::Era,
        http::{Address, HttpTarget},
        stdio::{End, Pipe},
    },
    process::{Child, Door, PumpReport, StderrTail, logs::LogFile, pump},
};

/// What a child's standard input and output are for.
struct Ends {
    speaks: Speaks,
    /// Both, of a child that speaks there.
    stdio: Option<Arc<Pipe>>,
    /// The input, of one that does not.
    stdin: Option<pipe::Sender>,
    /// Hears the child, where it speaks there.
    reading: Option<JoinHandle<End>>,
    /// What else is done with them.
    task: Option<JoinHandle<()>>,
}

impl StartJob {
    /// Starts the tasks that live with the child.
    pub(super) fn take_over(
        &self,
        (child, tail): (Child, Arc<StderrTail>),
        (port, place): (Option<PortLease>, Option<Place>),
        service: &Service,
        values: &Values,
        protocol: (Version, Era),
    ) -> (Running, Speaks) {
        let Child { pid, stdin, stdout, stderr, exit, tree, walls, mut door } = child;
        let (tree, walls) = (Arc::new(tree), walls.into());
        let (ended, watching) = watch::channel(false);
        let (log, pump) = self.keep_log(stderr, &tail);
        let Ends { speaks, stdio, stdin, reading, task } = match &port {
            None => self.on_pipes(stdin, stdout, protocol),
            Some(port) => {
                let target = self.target(service, values, (port.port(), pid), door.as_ref());
                let listening = match door {
                    Some(_) => Listening::Alone,
                    None => Listening::Among { port: port.port(), leader: pid },
                };
                self.over_http(stdin, stdout, (log.clone(), &tail), (target, listening))
            }
        };
        let account = door.as_mut().and_then(|door| self.keep_account(door, log.clone()));
        let (actor, generation) = (self.actor.clone(), self.generation);
        let watch = Watch { exit, reading, pump, tree: Arc::clone(&tree), ended, actor, generation };
        let watcher = actix_rt::spawn(watch.run());
        let tasks = task.into_iter().chain(account).chain([watcher]).collect();
        let running =
            Running { pid, tree, tail, log, ended: watching, stdio, stdin, port, _place: place, walls, door, tasks };
        (running, speaks)
    }

    /// The error log, and the task that writes it. Opened only now: the end of the process before may have
    /// archived the file.
    fn keep_log(
        &self,
        stderr: pipe::Receiver,
        tail: &Arc<StderrTail>,
    ) -> (Option<Arc<LogFile>>, Option<JoinHandle<PumpReport>>) {
        let (path, rotation) = self.error_log.clone();
        let log = open_log(path, rotation);
        let pump = log.clone().map(|log| actix_rt::spawn(pump(stderr, log, Arc::clone(tail))));
        (log, pump)
    }

    fn on_pipes(&self, stdin: pipe::Sender, stdout: pipe::Receiver, (version, era): (Version, Era)) -> Ends {
        let (pipe, reading) = Pipe::start(stdin, stdout, self.stdio_limits());
        let draining = actix_rt::spawn(Arc::clone(&pipe).drain());
        Ends {
            speaks: Speaks::Stdio { pipe: Arc::clone(&pipe), version, era },
            stdio: Some(pipe),
            stdin: None,
            reading: Some(actix_rt::spawn(reading)),
            task: Some(draining),
        }
    }

    /// What an HTTP server prints on its standard output is log, too.
    fn over_http(
        &self,
        stdin: pipe::Sender,
        stdout: pipe::Receiver,
        (log, tail): (Option<Arc<LogFile>>, &Arc<StderrTail>),
        (target, listening): (HttpTarget, Listening),
    ) -> Ends {
        let task = log.map(|log| {
            let pump = pump(stdout, log, Arc::clone(tail));
            actix_rt::spawn(async move {
                let _ = pump.await;
            })
        });
        let speaks = Speaks::Http(self.http(target), listening);
        Ends { speaks, stdio: None, stdin: Some(stdin), reading: None, task }
    }

    /// Counts what goes out by `door`, where anything may.
    fn keep_account(&self, door: &mut Door, log: Option<Arc<LogFile>>) -> Option<JoinHandle<()>> {
        let passages = door.passages()?;
        let metrics = Arc::clone(&self.runtime.metrics);
        Some(actix_rt::spawn(network::keep_account(passages, log, metrics)))
    }

    /// Where the instance's own HTTP server is, and what each request to it carries.
    fn target(
        &self,
        service: &Service,
        values: &Values,
        (port, leader): (u16, u32),
        door: Option<&Door>,
    ) -> HttpTarget {
        let obeys = service.manifest.shared.is_some();
        let via = match door {
            Some(door) => Some(network::way_in(door, port)),
            None if obeys => Some(network::way_to(port, leader)),
            None => None,
        };
        let origin = format!("http://127.0.0.1:{port}");
        let address = Address { origin, via, headers: values.own_headers(), is_outside: false };
        let headers = values.headers(&self.instance, service);
        if obeys {
            let id = self.instance.id;
            return HttpTarget::new(address, contract::endpoint(id), headers).based_at(contract::base(id));
        }
        let path = match &service.manifest.launch {
            Launch::Http { path, .. } => path.clone(),
            _ => "/mcp".to_owned(),
        };
        HttpTarget::new(address, path, headers)
    }
}
