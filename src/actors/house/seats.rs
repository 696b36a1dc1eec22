//! Connections: how they get an actor, what becomes of them, how they go.

use std::{collections::HashSet, ffi::OsStr, path::PathBuf, sync::Arc};

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, Shared},
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use super::HouseActor;
use crate::{
    actors::{
        instance::{Chronicle, Home, InstanceActor, Parts},
        messages::{InstanceCommand, InstanceGone},
    },
    db::connections::ConnectionRecord,
    domain::{
        connection::Client,
        instance::{Desired, Instance, Status},
        lifecycle::{Event, State},
        time::Timestamp,
    },
    mcp::session::{Record, SessionId, Sessions},
    process::{directories_in, remove_trees},
    routing::{Route, Seat},
};

/// A connection that outlives its actor: of an earlier run, or of a house that failed.
pub(in crate::actors) struct Kept {
    pub(in crate::actors) id: SessionId,
    pub(in crate::actors) client: Option<Client>,
    pub(in crate::actors) created_at: Timestamp,
    pub(in crate::actors) used_at: Timestamp,
    pub(in crate::actors) sessions: Arc<Sessions>,
}

impl Kept {
    /// One of an earlier run; `None` when nobody can come back to it: its session has ended.
    pub(in crate::actors) fn of(
        record: &ConnectionRecord,
        session: Option<Record>,
        journal: Arc<dyn crate::mcp::session::Journal>,
    ) -> Option<Self> {
        let id = SessionId::read(&record.id)?;
        if record.client.is_none() && session.is_none() {
            return None;
        }
        let sessions = Arc::new(Sessions::of_connection(id, journal, session));
        Some(Self { id, client: record.client, created_at: record.created_at, used_at: record.last_used_at, sessions })
    }

    /// One of a house that failed. A spare is nobody's.
    pub(in crate::actors) fn of_seat(seat: &Seat) -> Option<Self> {
        let sessions = Arc::clone(&seat.route.sessions);
        let used_at = seat.route.last_used();
        let kept = Self { id: seat.id, client: seat.client, created_at: seat.created_at, used_at, sessions };
        (!seat.is_spare).then_some(kept)
    }
}

/// A connection in the house.
pub(super) struct Tenant {
    pub(super) seat: Arc<Seat>,
    pub(super) actor: Addr<InstanceActor>,
    /// The end of its process, while the house is closed.
    pub(super) resting: Option<Resting>,
    /// It was told to wake, and has not yet said that it does.
    pub(super) is_called: bool,
}

/// Whether a process ended by itself, once it has ended.
pub(super) type Resting = Shared<LocalBoxFuture<'static, bool>>;

impl Tenant {
    pub(super) fn state(&self) -> State {
        self.seat.route.status().state
    }

    /// Whether it has a process, or is about to.
    pub(super) fn is_awake(&self) -> bool {
        let is_up = !matches!(self.state(), State::Idle | State::Failed | State::Stopped | State::Deleted);
        self.resting.is_none() && (is_up || self.is_called)
    }
}

/// The status of a connection has changed.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SeatChanged(SessionId);

/// A connection may have no client any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct SeatLeft(SessionId);

impl HouseActor {
    /// Takes in what an earlier run left, asleep; deletes what belongs to nobody.
    pub(super) fn seat_kept(&mut self, context: &mut Context<Self>) {
        for kept in std::mem::take(&mut self.kept) {
            self.seat(context, kept, State::Idle, false, None);
        }
        self.publish_seats();
        // Listed before there are orders: a connection that is made from now on is not among them.
        let unknown = self.unknown_folders();
        actix_rt::spawn(async move {
            let removed = tokio::task::spawn_blocking(move || remove_trees(unknown)).await;
            if let Ok(Err(error)) = removed {
                log::warn!("files of connections that are gone could not be removed: {error}");
            }
        });
    }

    /// Directories that are no connection's.
    fn unknown_folders(&self) -> Vec<PathBuf> {
        let known: HashSet<String> = self.tenants.keys().map(ToString::to_string).collect();
        let is_known =
            |path: &PathBuf| path.file_name().and_then(OsStr::to_str).is_some_and(|name| known.contains(name));
        let mut folders = directories_in(&self.runtime.paths.connections(self.instance.id));
        folders.retain(|path| !is_known(path));
        folders
    }

    /// Gives a connection an actor, in `state`: `Pending` starts its process at once.
    pub(super) fn seat(
        &mut self,
        context: &mut Context<Self>,
        kept: Kept,
        state: State,
        is_spare: bool,
        previous: Option<JoinHandle<bool>>,
    ) -> Option<Arc<Seat>> {
        let Kept { id, client, created_at, used_at, sessions } = kept;
        let home = Home::of_connection(&self.runtime, &self.instance, id)?;
        let instance = Instance { state, ..self.lease() };
        let (status, receiver) = watch::channel(Status::of(&instance));
        let max = self.runtime.config.max_in_flight;
        let route = Route::to_connection(&instance, receiver.clone(), sessions, max, (id, &self.connections));
        route.touch(used_at);
        self.generation = self.generation.next();
        let parts = Parts {
            runtime: Arc::clone(&self.runtime),
            chronicle: Chronicle::Connection(self.runtime.recorder.clone(), instance.id, id),
            instance,
            home,
            route: Arc::clone(&route),
            status,
            supervisor: context.address().recipient(),
            generation: self.generation,
            previous,
        };
        let actor = InstanceActor::new(parts).start();
        watch_over(context.address(), id, receiver, Arc::clone(&route.sessions));
        let seat = Arc::new(Seat { id, client, created_at, route, is_spare });
        self.tenants.insert(id, Tenant { seat: Arc::clone(&seat), actor, resting: None, is_called: false });
        Some(seat)
    }

    /// The instance as a connection's actor sees it: what its owner wants is the house's to follow.
    pub(super) fn lease(&self) -> Instance {
        Instance {
            desired: Desired::Running,
            state: State::Idle,
            port: None,
            started_at: None,
            expires_at: None,
            restarts: 0,
            last_error: None,
            ..self.instance.clone()
        }
    }

    /// Shows readers what there is.
    pub(super) fn publish_seats(&self) {
        self.connections.publish(self.tenants.values().map(|tenant| Arc::clone(&tenant.seat)));
    }

    /// Has a connection written down.
    pub(super) fn record(&self, seat: &Seat) {
        if seat.is_spare {
            return;
        }
        self.runtime.recorder.connection(ConnectionRecord {
            id: seat.id.to_string(),
            instance_id: self.instance.id,
            client: seat.client,
            created_at: seat.created_at,
            last_used_at: seat.route.last_used(),
        });
    }

    /// How many have a process.
    pub(super) fn awake(&self) -> usize {
        self.tenants.values().filter(|tenant| tenant.is_awake()).count()
    }

    /// Ends a connection and deletes its files; the receiver hears when all of it is gone.
    pub(super) fn evict(&mut self, id: SessionId) -> Option<oneshot::Receiver<()>> {
        let tenant = self.tenants.remove(&id)?;
        self.publish_seats();
        let sessions = &tenant.seat.route.sessions;
        sessions.all().iter().for_each(|session| sessions.close(session.id()));
        if !tenant.seat.is_spare {
            self.runtime.recorder.forget_connection(id.to_string());
        }
        let (done, gone) = oneshot::channel();
        match tenant.resting {
            None => tenant.actor.do_send(InstanceCommand::Delete { done }),
            // Its actor has gone before it.
            Some(resting) => {
                let dirs = self.runtime.paths.of_connection(&self.instance, id);
                actix_rt::spawn(async move {
                    let _ = resting.await;
                    let _ = tokio::task::spawn_blocking(move || dirs.remove()).await;
                    let _ = done.send(());
                });
            }
        }
        Some(gone)
    }

    /// Ends every process; spares go, connections stay.
    pub(super) fn put_all_to_rest(&mut self, context: &mut Context<Self>) {
        self.cancel_spare(context);
        for id in self.spares() {
            self.evict(id);
        }
        for tenant in self.tenants.values_mut().filter(|tenant| tenant.resting.is_none()) {
            let (graceful, stopped) = oneshot::channel();
            tenant.actor.do_send(InstanceCommand::ShutDown { graceful });
            tenant.is_called = false;
            tenant.resting = Some(async move { stopped.await.unwrap_or(false) }.boxed_local().shared());
        }
        self.route.set_usage(None);
    }

    /// Gives those actors again that rest; they sleep until somebody asks for them.
    pub(super) fn rouse_all(&mut self, context: &mut Context<Self>) {
        let resting: Vec<SessionId> =
            self.tenants.iter().filter(|(_, tenant)| tenant.resting.is_some()).map(|(id, _)| *id).collect();
        for id in resting {
            let Some(tenant) = self.tenants.remove(&id) else { continue };
            if let Some(kept) = Kept::of_seat(&tenant.seat) {
                self.seat(context, kept, State::Idle, false, tenant.resting.map(actix_rt::spawn));
            }
        }
        self.publish_seats();
    }

    /// Ends what nobody has come back to for so long that its files go; notes when the others were used.
    pub(super) fn sweep(&mut self, _: &mut Context<Self>) {
        let keep = i64::try_from(self.runtime.config.connection_keep.as_millis()).unwrap_or(i64::MAX);
        let now = Timestamp::now().0;
        let unused = |tenant: &Tenant| now.saturating_sub(tenant.seat.route.last_used().0);
        let over = |tenant: &&Tenant| !tenant.seat.is_spare && !tenant.is_awake() && unused(tenant) >= keep;
        let over: Vec<SessionId> = self.tenants.values().filter(over).map(|tenant| tenant.seat.id).collect();
        for id in over {
            self.evict(id);
        }
        let recent = self.tenants.values().filter(|tenant| unused(tenant) < 120_000);
        recent.for_each(|tenant| self.record(&tenant.seat));
    }
}

/// Tells the house of what becomes of a connection, until its actor is gone.
fn watch_over(house: Addr<HouseActor>, id: SessionId, mut status: watch::Receiver<Status>, sessions: Arc<Sessions>) {
    actix_rt::spawn(async move {
        loop {
            tokio::select! {
                changed = status.changed() => match changed {
                    Ok(()) => house.do_send(SeatChanged(id)),
                    Err(_) => return,
                },
                () = sessions.ended() => house.do_send(SeatLeft(id)),
            }
        }
    });
}

impl Handler<SeatLeft> for HouseActor {
    type Result = ();

    fn handle(&mut self, SeatLeft(id): SeatLeft, _: &mut Context<Self>) {
        self.let_go(id);
    }
}

impl HouseActor {
    /// Ends a connection that was for a session and has none.
    pub(super) fn let_go(&mut self, id: SessionId) {
        let is_over = |tenant: &Tenant| {
            tenant.seat.client.is_none() && !tenant.seat.is_spare && tenant.seat.route.sessions.is_vacant()
        };
        if self.tenants.get(&id).is_some_and(is_over) {
            self.evict(id);
        }
    }
}

impl Handler<SeatChanged> for HouseActor {
    type Result = ();

    fn handle(&mut self, SeatChanged(id): SeatChanged, context: &mut Context<Self>) {
        let Some(tenant) = self.tenants.get_mut(&id).filter(|tenant| tenant.resting.is_none()) else { return };
        tenant.is_called = false;
        let (seat, status) = (Arc::clone(&tenant.seat), tenant.seat.route.status());
        if !self.state().serves() {
            self.follow(&status);
        }
        match status.state {
            State::Running => {
                self.spares_fail = false;
                self.plan_spare(context);
            }
            State::Idle if seat.is_spare => drop(self.evict(id)),
            State::Failed if seat.is_spare => {
                self.spares_fail = true;
                self.publish(|own| own.last_error = status.last_error);
                self.evict(id);
            }
            State::Idle => {
                self.record(&seat);
                self.plan_spare(context);
            }
            _ => {}
        }
        if self.state().serves() && self.awake() == 0 && self.next_spare.is_none() {
            self.advance(Event::SleepRequested);
            self.route.set_usage(None);
        }
    }
}

impl HouseActor {
    /// Until the house serves, its state is that of the first process.
    fn follow(&mut self, first: &Status) {
        match first.state {
            State::Pending => self.status.send_modify(|own| own.progress.clone_from(&first.progress)),
            State::Starting => drop(self.advance(Event::Spawned)),
            State::Running => self.open_doors(),
            State::Restarting => {
                self.advance(Event::EndedWillRestart);
                self.publish(|own| own.last_error.clone_from(&first.last_error));
            }
            State::Failed => {
                self.advance(Event::EndedForGood);
                self.publish(|own| own.last_error.clone_from(&first.last_error));
            }
            _ => {}
        }
    }
}

impl Handler<InstanceGone> for HouseActor {
    type Result = ();

    /// The actor of a connection has failed by a panic: another takes over.
    fn handle(&mut self, InstanceGone { id, deliberate }: InstanceGone, context: &mut Context<Self>) {
        let Some(id) = SessionId::read(&id.uuid().simple().to_string()).filter(|_| !deliberate) else { return };
        let Some(tenant) = self.tenants.remove(&id) else { return };
        log::error!("the actor of connection {id} failed; replacing it");
        if let Some(kept) = Kept::of_seat(&tenant.seat) {
            self.seat(context, kept, State::Idle, false, None);
        }
        self.publish_seats();
    }
}
