//! A schema of its own in the PostgreSQL that `BERTH_TEST_POSTGRES_URL` names.

use berth::domain::ids::UserId;
use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};

/// Dropped at the end, when Berth has ended.
pub(crate) struct Schema {
    server: String,
    name: String,
    /// Its URL for Berth.
    pub(crate) url: String,
}

impl Schema {
    /// `None` where there is no PostgreSQL to test with.
    #[expect(clippy::print_stderr, reason = "what is not tested must not look tested")]
    pub(crate) fn create() -> Option<Self> {
        let Ok(server) = std::env::var("BERTH_TEST_POSTGRES_URL") else {
            eprintln!("SKIPPED ON POSTGRESQL: BERTH_TEST_POSTGRES_URL is not set");
            return None;
        };
        let name = format!("t{}", UserId::generate().uuid().simple());
        PgConnection::establish(&server).unwrap().batch_execute(&format!("CREATE SCHEMA {name}")).unwrap();
        let separator = if server.contains('?') { '&' } else { '?' };
        let url = format!("{server}{separator}options=-csearch_path%3D{name}");
        Some(Self { server, name, url })
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        if let Ok(mut connection) = PgConnection::establish(&self.server) {
            let _ = connection.batch_execute(&format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name));
        }
    }
}
