//! The database: the only module that names diesel.
//!
//! [`Db`] is a cheap handle. [`Db::read`] and [`Db::write`] run a closure on a blocking thread, inside one
//! transaction; the closure composes the plain functions of the modules below, each of which takes
//! the [`Connection`]. The database holds what is wanted and what was; what *is* belongs to actors.
//!
//! Invariants: one transaction per closure; no closure waits for anything but the database; a value
//! that cannot be read back is an error naming its table and column, never skipped; functions that look
//! for one row answer "not found" as an error, which [`OptionalExtension`] turns into `None`.

mod connection;
mod convert;
mod counters;
mod error;
mod migrate;
mod pool;
mod schema;
mod target;
mod upsert;

pub mod audit;
pub mod client_sessions;
pub mod connections;
pub mod creations;
pub mod credentials;
pub mod deliveries;
pub mod entitlements;
pub mod events;
pub mod groups;
pub mod identities;
pub mod instances;
pub mod links;
pub mod logins;
pub mod notifications;
pub mod oauth_clients;
pub mod oauth_devices;
pub mod oauth_grants;
pub mod outside_clients;
pub mod outside_grants;
pub mod removals;
pub mod service_updates;
pub mod services;
pub mod settings;
pub mod shares;
pub mod tokens;
pub mod totp;
pub mod usage_days;
pub mod usage_hours;
pub mod users;
pub mod webhooks;

use std::{sync::Arc, time::Duration};

use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking, time::timeout};

pub use self::{
    connection::AnyConnection as Connection,
    error::{DbError, OptionalExtension},
    migrate::names as migration_names,
};
use self::{
    connection::{Access, transaction},
    pool::{Lane, lanes},
    target::Target,
};
/// What the functions of this layer return inside a transaction.
pub use diesel::QueryResult;
/// The error of [`QueryResult`]; a closure may return [`QueryError::RollbackTransaction`] to undo its work.
pub use diesel::result::Error as QueryError;

/// Sizes and patience.
#[derive(Clone, Copy, Debug)]
pub struct DbOptions {
    /// How long a statement waits for a lock that another program or transaction holds. Default 5 s.
    pub busy_timeout: Duration,
    /// How long a caller waits for its turn, and then for a connection. Default 5 s.
    pub pool_timeout: Duration,
    /// Connections that read a SQLite file at once; opened when needed. Default 4.
    pub readers: u32,
    /// Connections to PostgreSQL; opened when needed. Default 8.
    pub postgres_connections: u32,
}

impl Default for DbOptions {
    fn default() -> Self {
        let patience = Duration::from_secs(5);
        Self { busy_timeout: patience, pool_timeout: patience, readers: 4, postgres_connections: 8 }
    }
}

/// The database. Clones share its connections.
#[derive(Clone)]
pub struct Db(Arc<Lanes>);

struct Lanes {
    read: Lane,
    write: Lane,
    patience: Duration,
}

impl Db {
    /// Opens the database at `url` (`sqlite:///path`, a path, `postgres://…`) with the default options. Blocks.
    ///
    /// # Errors
    /// [`DbError::Url`] when the URL is of no known form, [`DbError::Unavailable`] when nothing answers there.
    pub fn open(url: &str) -> Result<Self, DbError> {
        Self::open_with(url, DbOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub fn open_with(url: &str, options: DbOptions) -> Result<Self, DbError> {
        let (read, write) = lanes(&Target::parse(url)?, options)?;
        Ok(Self(Arc::new(Lanes { read, write, patience: options.pool_timeout })))
    }

    /// Brings the schema up to date; returns the names of the migrations that were applied. Blocks.
    ///
    /// # Errors
    /// [`DbError::Migration`] when one fails (nothing is applied then) or the database is of a newer version.
    pub fn migrate(&self) -> Result<Vec<String>, DbError> {
        migrate::apply(&mut self.0.write.checkout()?.connection)
    }

    /// Takes every migration back, and with them all data: for tests. Blocks.
    ///
    /// # Errors
    /// [`DbError::Migration`] when one fails.
    pub fn revert_all(&self) -> Result<Vec<String>, DbError> {
        migrate::revert_all(&mut self.0.write.checkout()?.connection)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.read(settings::probe).await
    }

    /// Runs `work` in a read-only transaction that sees one snapshot.
    ///
    /// # Errors
    /// What `work` returns, or [`DbError::Unavailable`].
    pub async fn read<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> QueryResult<T> + Send + 'static,
    {
        self.spawn(Access::Read, work).await
    }

    /// Runs `work` in a transaction; all of it happens or nothing. When the caller goes away, `work` still finishes.
    ///
    /// # Errors
    /// What `work` returns, or [`DbError::Unavailable`].
    pub async fn write<T, F>(&self, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> QueryResult<T> + Send + 'static,
    {
        self.spawn(Access::Write, work).await
    }

    /// [`Db::read`] on the calling thread, for commands.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub fn read_blocking<T>(&self, work: impl FnOnce(&mut Connection) -> QueryResult<T>) -> Result<T, DbError> {
        run(self.lane(Access::Read), Access::Read, work)
    }

    /// [`Db::write`] on the calling thread, for commands.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub fn write_blocking<T>(&self, work: impl FnOnce(&mut Connection) -> QueryResult<T>) -> Result<T, DbError> {
        run(self.lane(Access::Write), Access::Write, work)
    }

    /// How many connections are in use, or waited for: to read, and to write. One pool serves both on PostgreSQL.
    #[must_use]
    pub fn busy(&self) -> (usize, usize) {
        (self.0.read.busy(), self.0.write.busy())
    }

    /// Has what was deleted leave the files, too: SQLite overwrites deleted rows with zeros (`secure_delete`), and
    /// here its log of old pages is emptied as well. `false` when a reader was in the way for so long that a part of
    /// the log stays until the next time. PostgreSQL keeps deleted rows until its vacuum, and its log as long as it is
    /// told to: there is nothing to be done from here.
    ///
    /// # Errors
    /// [`DbError::Unavailable`], or the statement fails.
    pub async fn scrub(&self) -> Result<bool, DbError> {
        let lane = self.lane(Access::Write).clone();
        let permit = self.permit(&lane).await?;
        let task = spawn_blocking(move || {
            let _permit = permit;
            pool::empty_log(&mut lane.checkout()?.connection)
        });
        task.await.map_err(|_| DbError::unavailable("shutting down"))?
    }

    /// [`Db::scrub`] on the calling thread, for commands.
    ///
    /// # Errors
    /// As [`Db::scrub`].
    pub fn scrub_blocking(&self) -> Result<bool, DbError> {
        pool::empty_log(&mut self.lane(Access::Write).checkout()?.connection)
    }

    fn lane(&self, access: Access) -> &Lane {
        match access {
            Access::Read => &self.0.read,
            Access::Write => &self.0.write,
        }
    }

    async fn spawn<T, F>(&self, access: Access, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> QueryResult<T> + Send + 'static,
    {
        let lane = self.lane(access).clone();
        let permit = self.permit(&lane).await?;
        let task = spawn_blocking(move || {
            // Held by the thread, not by the caller: a caller that gives up does not free a connection in use.
            let _permit = permit;
            run(&lane, access, work)
        });
        match task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(DbError::unavailable("shutting down")),
        }
    }

    async fn permit(&self, lane: &Lane) -> Result<OwnedSemaphorePermit, DbError> {
        let patience = self.0.patience;
        match timeout(patience, Arc::clone(&lane.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) => Err(DbError::unavailable("shutting down")),
            Err(_) => Err(DbError::unavailable(format!("too busy: no turn within {} ms", patience.as_millis()))),
        }
    }
}

fn run<T>(lane: &Lane, access: Access, work: impl FnOnce(&mut Connection) -> QueryResult<T>) -> Result<T, DbError> {
    transaction(&mut lane.checkout()?.connection, access, work).map_err(DbError::from)
}
