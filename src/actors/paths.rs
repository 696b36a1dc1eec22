//! Where instances keep their files.

use std::path::PathBuf;

use crate::{
    domain::{ids::InstanceId, instance::Instance},
    process::InstanceDirs,
};

/// Directories below the data directory.
#[derive(Clone, Debug)]
pub struct Paths {
    data: PathBuf,
}

impl Paths {
    /// Everything lies below `data`.
    #[must_use]
    pub const fn new(data: PathBuf) -> Self {
        Self { data }
    }

    /// The working, home, temp and log directories of one instance.
    #[must_use]
    pub fn of(&self, instance: &Instance) -> InstanceDirs {
        InstanceDirs::new(self.root(instance.id), self.logs(instance))
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> &std::path::Path {
        &self.data
    }

    /// The instance's own directory, named by its id: never reused.
    #[must_use]
    pub fn root(&self, id: InstanceId) -> PathBuf {
        self.data.join("instances").join(id.to_string())
    }

    /// Its log directory: `logs/users/user_{id}/mcp_{nnn}_{service}_{number}`.
    #[must_use]
    pub fn logs(&self, instance: &Instance) -> PathBuf {
        self.data.join("logs").join(instance.log_path())
    }

    /// Where the logs of an expired instance go.
    #[must_use]
    pub fn archive(&self, instance: &Instance) -> PathBuf {
        self.data.join("archive").join(format!("user_{}", instance.user_number))
    }

    /// The logs of one user.
    #[must_use]
    pub fn user_logs(&self, user_number: u32) -> PathBuf {
        self.data.join("logs").join("users").join(format!("user_{user_number}"))
    }
}
