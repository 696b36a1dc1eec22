//! Connections: how one is made, when it is no longer good, and how many there may be.
//!
//! SQLite has one writer, so writes wait in our queue and not in its busy loop, and a few readers that
//! are opened when they are needed and closed when idle. PostgreSQL has one pool for both.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

use diesel::{
    Connection as _, PgConnection, SqliteConnection, connection::SimpleConnection as _, r2d2::R2D2Connection,
};
use r2d2::{ManageConnection, NopErrorHandler, Pool, PooledConnection};
use tokio::sync::Semaphore;

use super::{
    Access, Connection, DbError, DbOptions,
    target::{Target, postgres_url, sqlite_uri},
};

/// How long an idle reader is kept. Each costs some hundred kilobytes.
const READER_IDLE: Duration = Duration::from_secs(60);

/// A pool, and as many permits as it has connections: tasks wait for a permit, threads never wait for a task.
#[derive(Clone)]
pub(super) struct Lane {
    pool: Pool<Manager>,
    pub(super) permits: Arc<Semaphore>,
}

impl Lane {
    fn new(manager: Manager, size: u32, idle: Option<Duration>, timeout: Duration) -> Result<Self, DbError> {
        let pool = Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            .idle_timeout(idle)
            .max_lifetime(None)
            .connection_timeout(timeout)
            .error_handler(Box::new(NopErrorHandler))
            .build(manager)
            .map_err(|error| DbError::unavailable(error.to_string()))?;
        Ok(Self { pool, permits: Arc::new(Semaphore::new(size as usize)) })
    }

    /// Connections in use, or about to be.
    pub(super) fn busy(&self) -> usize {
        (self.pool.max_size() as usize).saturating_sub(self.permits.available_permits())
    }

    pub(super) fn checkout(&self) -> Result<PooledConnection<Manager>, DbError> {
        self.pool.get().map_err(|error| DbError::unavailable(error.to_string()))
    }
}

/// The lanes for reading and for writing; the same one on PostgreSQL.
pub(super) fn lanes(target: &Target, options: DbOptions) -> Result<(Lane, Lane), DbError> {
    let manager = |access| Manager { target: target.clone(), access, options };
    let lane = |access, size, idle| Lane::new(manager(access), size, idle, options.pool_timeout);
    match target {
        Target::Sqlite(path) => {
            create_private(path)?;
            // The first connection turns WAL on, which needs the write lock; and it tells at once what is wrong.
            manager(Access::Write).connect()?;
            Ok((lane(Access::Read, options.readers, Some(READER_IDLE))?, lane(Access::Write, 1, None)?))
        }
        Target::Postgres(_) => {
            manager(Access::Write).connect()?;
            let lane = lane(Access::Write, options.postgres_connections, Some(Duration::from_secs(600)))?;
            Ok((lane.clone(), lane))
        }
    }
}

/// What a checkpoint says of itself.
#[derive(diesel::QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    busy: i32,
}

/// Moves what is in SQLite's write-ahead log into the database and empties the log; `false` when somebody was reading
/// from it all the time that a lock is waited for.
pub(super) fn empty_log(connection: &mut Connection) -> Result<bool, DbError> {
    use diesel::RunQueryDsl as _;

    let Connection::Sqlite(sqlite) = connection else { return Ok(true) };
    let found: Vec<Checkpoint> = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").load(sqlite)?;
    Ok(found.iter().all(|checkpoint| checkpoint.busy == 0))
}

/// Makes the file readable by its owner alone; SQLite gives its `-wal` and `-shm` the same mode.
fn create_private(path: &Path) -> Result<(), DbError> {
    let open = || -> io::Result<()> {
        fs::OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map(drop)
    };
    open().map_err(|error| DbError::unavailable(format!("cannot open {}: {error}", path.display())))
}

/// A connection and the file that it is of.
pub(super) struct Pooled {
    pub(super) connection: Connection,
    file: Option<(u64, u64)>,
}

/// Makes and checks connections.
#[derive(Clone)]
pub(super) struct Manager {
    target: Target,
    access: Access,
    options: DbOptions,
}

impl Manager {
    fn connect_sqlite(&self, path: &Path) -> Result<Pooled, DbError> {
        let failed =
            |error: &dyn std::fmt::Display| DbError::unavailable(format!("cannot open {}: {error}", path.display()));
        let file = identity(path).map_err(|error| failed(&error))?;
        let mut connection = SqliteConnection::establish(&sqlite_uri(path)).map_err(|error| failed(&error))?;
        connection.batch_execute(&self.sqlite_settings()).map_err(|error| failed(&error))?;
        Ok(Pooled { connection: Connection::Sqlite(connection), file: Some(file) })
    }

    fn sqlite_settings(&self) -> String {
        let busy_ms = self.options.busy_timeout.as_millis();
        let by_access = match self.access {
            Access::Read => "PRAGMA query_only = ON;",
            Access::Write => "PRAGMA journal_mode = WAL; PRAGMA secure_delete = ON;",
        };
        format!(
            "PRAGMA busy_timeout = {busy_ms}; PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL; \
             PRAGMA cache_size = -512; PRAGMA trusted_schema = OFF; {by_access}"
        )
    }

    fn connect_postgres(&self, url: &str) -> Result<Pooled, DbError> {
        let url = postgres_url(url, self.options.pool_timeout.as_secs());
        let lock_ms = self.options.busy_timeout.as_millis();
        let mut connection =
            PgConnection::establish(&url).map_err(|error| DbError::unavailable(error.to_string().trim().to_owned()))?;
        connection
            .batch_execute(&format!("SET lock_timeout = {lock_ms}; SET client_min_messages = warning;"))
            .map_err(DbError::from)?;
        Ok(Pooled { connection: Connection::Postgres(connection), file: None })
    }
}

/// Device and inode: another file of the same name is another database.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

impl ManageConnection for Manager {
    type Connection = Pooled;
    type Error = DbError;

    fn connect(&self) -> Result<Pooled, DbError> {
        match &self.target {
            Target::Sqlite(path) => self.connect_sqlite(path),
            Target::Postgres(url) => self.connect_postgres(url),
        }
    }

    /// SQLite goes on writing into a file that was deleted or replaced, and all of it is lost: hence
    /// the look at the file each time.
    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), DbError> {
        match (&self.target, pooled.file) {
            (Target::Sqlite(path), Some(file)) => match identity(path) {
                Ok(now) if now == file => Ok(()),
                Ok(_) => Err(DbError::unavailable(format!("{} was replaced", path.display()))),
                Err(error) => Err(DbError::unavailable(format!("cannot open {}: {error}", path.display()))),
            },
            _ => pooled.connection.ping().map_err(DbError::from),
        }
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        std::thread::panicking() || pooled.connection.is_broken()
    }
}
