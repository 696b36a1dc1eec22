//! Berth hosts MCP servers for many users, from one binary and without a container engine.
//!
//! This page is the architecture: read it first, then the `//!` of the module that you are about to
//! change.
//!
//! # Layers
//!
//! ```text
//! main → cli → app → web ─────→ auth ──→ db
//!                   │ │ └─────→ routing → mcp
//!                   │ └───────→ actors (the handle only)
//!                   └→ actors → routing, mcp, process, outside, catalog, vault, db, telemetry
//! everything → config → domain
//! ```
//!
//! Arrows point down only; a test reads the `use crate::` lines and keeps it so. What each layer must
//! not know is as important as what it does:
//!
//! - [`domain`] does no I/O, knows no clock and nothing of async: ids, the lifecycle state machine,
//!   the restart policy, ports, limits, manifests.
//! - [`db`] alone names diesel, [`actors`] alone names actix actors.
//! - [`mcp`], [`process`], [`catalog`], [`vault`] and [`db`] know nothing of each other.
//! - [`process`] knows neither actors nor HTTP; [`mcp`] knows no actors and no database.
//! - [`outbound`] is the only way to URLs and hosts that others name; [`outside`] keeps what people have granted Berth at
//!   outside services; [`mail`] and [`notices`] are the ways to people.
//! - [`web`] never holds an instance's address, and [`actors`] never see a request.
//!
//! # Who owns what
//!
//! | state | owner | everyone else |
//! |---|---|---|
//! | what is wanted (users, instances, credentials, tokens) | the database | asks it |
//! | what is (process, port, health, restarts) | the instance's actor | reads the status it publishes |
//! | the table of instances, the route table | the supervisor's actor | reads a lock-free snapshot |
//! | connections of an instance in session mode, spares | its house's actor | reads a lock-free snapshot |
//! | processes of a shared service and which of them serve | its pool's actor | read a lock-free ring |
//! | the process tree of one start: walls, control group, ports in | its `Child`, released by drop | – |
//! | client sessions of an instance and their streams | its route | looks them up by id and owner |
//! | calls that wait for a child | the child's pending map | – |
//! | calls that wait for their client, listeners | the bridge in front of the child | counts them |
//! | which era a version of a service speaks | `actors::Eras`, and a setting each | – |
//! | tokens that were seen, what ends when one is taken back, what accounts may use | the authenticator | – |
//! | shares of instances | the share table, from the database | reads a lock-free snapshot |
//! | grants of outside services, and who refreshes one | the database, by leases | asks the keeper, `outside::OutsideGrants` |
//! | deliveries of notices | the database, and one task per way | – |
//!
//! # Walk-through: a tool call
//!
//! An HTTP worker reads the request. `web::gateway` checks the origin, hashes the token and finds its
//! principal in memory, finds the route in the snapshot, asks [`auth::policy`], takes a place among
//! the calls in flight, reads the body and parses its envelope once. Header and `_meta` say which era
//! it belongs to, and the front of that era takes it: the one finds the client's session, the other
//! checks that headers and body agree. Each asks the instance's upstream for the view of its own era:
//! the child itself where it speaks that, else the bridge in front of it. A stdio child's side mints
//! an id, registers the caller in the pending map and writes the line to the pipe from this very
//! thread. The child's reader task finds the caller by the id on the way back; the worker
//! puts the client's id in its place and answers. `params` and `result` are never re-serialised;
//! there is no mailbox and no database on the way, and no lock is held across an await.
//!
//! # Walk-through: a child asks something
//!
//! A child of the session era writes a request of its own while it works on a call. Over HTTP it comes
//! on that call's stream; on pipes the pending map says whose it can be. It travels as an `Ask`, which
//! is answered exactly once: dropping it answers with an error. A client with a session is sent it on
//! the stream of its call, under an id of the session, and posts its response. A stateless client is
//! answered `input_required`; the call is parked, named by a sealed state that only its caller can use
//! for the same request, once, and goes on when the client calls again with its answers. The other way
//! round a child of the stateless era answers `input_required`, the bridge asks the client as its era
//! does, and makes the call again.
//!
//! # Walk-through: an instance comes up
//!
//! `POST /api/v1/mcps` validates, seals the credential and records the instance in one transaction
//! with the quota, then hands it to the supervisor, which makes a route and an actor. The actor's
//! start task installs the package (once per version, for everybody), opens the credential, leases a
//! port where one is needed and starts the program through the launch stage: this binary,
//! re-executed, which leaves only the program's own environment, descriptors and session behind. A
//! version of a service that was never started before is probed first, on a process that is thrown
//! away. When the child has given its first answer, the actor links the route to it and publishes `running`.
//! Whatever ends it (a crash, a limit, its owner) reaches the actor as an event with the generation
//! of that start; the pure state machine and the restart policy say what is next. Callers are
//! answered at once, with the crash card's summary.
//!
//! # Walk-through: a room is built
//!
//! The launch stage reads what is wanted from its control socket and builds the walls in a fixed order
//! (`process::launch`): it enters the control group first, so that nothing it does is uncounted; it
//! takes namespaces, and forks the room's init (pid 1 inside), which builds the view, takes the
//! program's identity, drops what root has, and starts the program behind Landlock and seccomp. The
//! outer stage stays behind as the leader that Berth knows: it ends as the program ended, and its end is
//! the end of all that is inside. Each wall reports that it stands, or the start is refused with its name.
//! A program with a network of its own is reached, and reaches out, through sockets that its init passes
//! to Berth (`process::door`); names of allow-lists are resolved by Berth for every connection.
//!
//! # Walk-through: an instance sleeps and wakes; a client gets a process of its own
//!
//! The actor of an instance that has had no call and nothing open for its idle time ends the process and
//! publishes `idle`. A request that finds no child rings the route's doorbell and waits on the status; the
//! actor starts the child once for all who wait, and a start that fails answers all of them. In session
//! mode the instance's actor is a house without a process: a request is seated by its session, or by its
//! token when it has none, in a connection with an actor, a directory and a process of its own. A spare has
//! been started under the id that the next client will get.
//!
//! # Walk-through: an instance of a shared service is called
//!
//! Such an instance has an actor and a route, but no process: its start only opens a way to the service's pool
//! (`mcp::http::Pool`), whose actor supervises the workers as instances are supervised. A request picks its worker by
//! a hash of the instance and carries the gateway's secret of that worker, the instance's id, and its credential. A
//! worker that is replaced is another entry of the ring: instances go on. A changed credential replaces the
//! headers of the requests that come later (`actors::instance::refreshing`); where a process was told at its start, the
//! process is replaced when it has answered its calls (`actors::instance::replacing`).
//!
//! # Walk-through: a client signs in
//!
//! A call without a token is answered 401 with the URL of the instance's metadata. The client finds the
//! authorization server there (`web::oauth::discovery`), makes itself known (`auth::oauth_clients`) and sends its
//! user to `/oauth/authorize`, where a signed-in user sees who asks for which instance and may allow less. The
//! request travels sealed through the page, so what is allowed is what was shown. The code is exchanged once; used
//! again, it ends all that came of it, as a refresh token does. The access token becomes a principal like any
//! other, whose reach is one instance and what was allowed; it speaks MCP and nothing else.
//!
//! # Walk-through: somebody connects an account
//!
//! `web::connect` sends their browser to the outside service with a challenge and a state; what has to be remembered goes
//! along in a sealed cookie that names them. What comes back is taken from that browser and user alone. The access token
//! becomes the value of a credential, so instances take it as they take any; the refresh token lies sealed beside it. The
//! keeper looks which tokens run out soon that instances use, takes the lease of each in the database, refreshes it and
//! writes both down in one transaction; its news have running instances take the new value, as after a rotation. A start
//! that finds a token run out has it refreshed first. What the service refuses for good is told to the owner.
//!
//! # Walk-through: Berth itself is killed
//!
//! Children die with the thread that started them. The next start takes the lock of the data
//! directory, ends whatever carries its mark and still lives, and hands every recorded instance and
//! its client sessions to the supervisor, which starts those that are wanted on the ports that they
//! had. Clients go on with their sessions; one that was opened in the moment before the kill, and
//! not written yet, is answered 404, and its client initializes anew.

pub mod actors;
pub mod app;
pub mod auth;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod db;
pub mod domain;

pub mod mail;
pub mod mcp;
pub mod notices;
pub mod outbound;
pub mod outside;
pub mod process;
pub mod routing;
pub mod telemetry;
pub mod vault;
pub mod web;
