//! The processes of a pool: how they get an actor, and what that is told of whom it runs.

use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext, Context};
use tokio::{sync::watch, time::Instant};

use super::{PoolActor, following::watch_over};
use crate::{
    actors::{
        instance::{Chronicle, Home, InstanceActor, Parts},
        pools::Desk,
    },
    domain::{
        ids::{InstanceId, UserId},
        instance::{Desired, Instance, Mode, Status},
        lifecycle::State,
        manifest::SharedSpec,
        names::ServiceName,
        time::Timestamp,
    },
    mcp::{http::Worker, session::Sessions},
    routing::Route,
};

/// One process, or the place of one.
pub(super) struct Employee {
    pub(super) mark: InstanceId,
    pub(super) route: Arc<Route>,
    pub(super) actor: Addr<InstanceActor>,
    /// It on the ring, while it is there.
    pub(super) worker: Option<Arc<Worker>>,
    /// When it was given up.
    pub(super) fell_at: Option<Instant>,
}

impl Employee {
    pub(super) fn state(&self) -> State {
        self.route.status().state
    }
}

impl PoolActor {
    /// Gives an actor to every process that the manifest wants and that has none.
    pub(super) fn employ(&mut self, context: &mut Context<Self>) {
        let Some(service) = self.runtime.catalog.get(&self.service) else { return };
        let Some(spec) = &service.manifest.shared else { return };
        let missing: Vec<u16> = (0..spec.workers).filter(|number| !self.workers.contains_key(number)).collect();
        for number in &missing {
            let employee = self.employee(context, spec, *number);
            self.workers.insert(*number, employee);
        }
        if !missing.is_empty() {
            self.publish_desks();
        }
    }

    /// A process in the making.
    fn employee(&mut self, context: &mut Context<Self>, spec: &SharedSpec, number: u16) -> Employee {
        self.generation = self.generation.next();
        let record = record_of(&self.service, number);
        let home = Home::of_worker(&self.runtime, &record, spec, number);
        let (status, receiver) = watch::channel(Status::of(&record));
        let max = self.runtime.config.max_in_flight;
        let route = Route::new(&record, receiver.clone(), Arc::new(Sessions::new(0)), max);
        let mark = record.id;
        let parts = Parts {
            runtime: Arc::clone(&self.runtime),
            instance: Arc::new(record),
            home,
            chronicle: Chronicle::Log,
            route: Arc::clone(&route),
            status,
            supervisor: context.address().recipient(),
            generation: self.generation,
            previous: None,
        };
        let actor = InstanceActor::new(parts).start();
        watch_over(context.address(), number, receiver);
        Employee { mark, route, actor, worker: None, fell_at: None }
    }

    /// Shows everybody what there is.
    pub(super) fn publish_desks(&self) {
        let desk = |(number, worker): (&u16, &Employee)| Desk { number: *number, route: Arc::clone(&worker.route) };
        self.known.desks.store(Arc::new(self.workers.iter().map(desk).collect()));
    }
}

/// The record that a process is run by: nobody's, and in no database.
fn record_of(service: &ServiceName, number: u16) -> Instance {
    Instance {
        id: InstanceId::generate(),
        user_id: UserId::generate(),
        user_number: 0,
        service: service.clone(),
        number: number.into(),
        slug: String::new(),
        label: String::new(),
        mode: Mode::Dedicated,
        desired: Desired::Running,
        state: State::Pending,
        port: None,
        config: std::collections::BTreeMap::new(),
        env_sealed: None,
        credential_id: None,
        limits: crate::domain::limits::Limits::default(),
        // The pool says when it is not needed.
        idle_seconds: Some(0),
        created_at: Timestamp::now(),
        started_at: None,
        expires_at: None,
        restarts: 0,
        last_error: None,
        last_good: None,
        debug_until: None,
    }
}
