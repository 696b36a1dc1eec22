//! Supervision: the only place that names actix actors.
//!
//! [`SupervisorHandle`] is the plain async façade that everyone else uses. Behind it, one
//! `SupervisorActor` owns the table of instances and is the sole writer of the route table; one
//! `InstanceActor` per instance owns its process, timers, logs and state. The supervisor never
//! awaits an instance. Whatever waits or owns a byte stream is a task; SQL and file work run on
//! blocking threads.
//!
//! Durability: what an owner wants (`desired`, expiry, deletion) is committed before it is
//! answered. What is (`state`, restarts, last error) follows within moments through the
//! `recorder` and is rebuilt after a crash anyway. Client sessions follow the same way: a kill loses
//! at most those that were opened in the moment before it (their clients get 404 and initialize anew,
//! as the specification has it), and revives at most those that were ended in it.

mod contract;
mod environment;
mod eras;
mod handle;
mod house;
mod instance;
mod messages;
mod paths;
mod places;
mod pool;
mod pools;
mod ports;
mod recorder;
mod remote;
mod rooms;
mod runtime;
mod supervisor;

pub use self::{
    eras::Eras,
    handle::{SupervisorError, SupervisorHandle, TrialError, TrialOf},
    paths::Paths,
    places::{Claim, Places},
    pools::{PoolView, Pools, WorkerView},
    ports::PortRegistry,
    recorder::Recorder,
    remote::Guarded,
    rooms::identity_of,
    runtime::Runtime,
    supervisor::BootReport,
};
