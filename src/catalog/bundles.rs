//! Bundles that were imported: unpacked once, by what they are, and read by all instances of all services of theirs.

use std::path::{Path, PathBuf};

use super::{
    InstallError, Installer, Program, files,
    import::{Bundle, BundleError, BundleLimits},
    program::{files_of, folders_of},
};

impl Installer {
    /// Unpacks a bundle into the cache, whole or not at all, unless it is there. Writes files: call it from a blocking
    /// thread.
    ///
    /// # Errors
    /// When it breaks a limit, or the disk fails.
    pub fn keep_bundle(&self, bundle: &Bundle, bytes: &[u8], limits: BundleLimits) -> Result<(), BundleError> {
        let disk = |error: InstallError| BundleError::Disk(std::io::Error::other(error.to_string()));
        let folder = self.bundle_folder(&bundle.sha256);
        let lock = self.cache.lock_file(&folder).map_err(disk)?;
        lock.lock()?;
        if files::is_complete(&folder) {
            return Ok(());
        }
        let (staged, unfinished) = self.cache.stage().map_err(disk)?;
        bundle.unpack(bytes, &staged, limits)?;
        self.cache.publish(&staged, unfinished, &folder).map_err(disk)
    }

    fn bundle_folder(&self, sha256: &str) -> PathBuf {
        self.cache.root.join("bundles").join(sha256)
    }

    /// The program of a bundle: one in it, else one of the host.
    pub(super) fn bundled(&self, sha256: &str, command: &str, args: &[String]) -> Result<Program, InstallError> {
        let folder = self.bundle_folder(sha256);
        if !files::is_complete(&folder) {
            let reason = "the bundle is not in the cache of this host; import it again";
            return Err(InstallError::no_program(&format!("the bundle {sha256}"), reason));
        }
        let inside = folder.join(command);
        let (program, mut read_only) = if is_program_in(&folder, &inside) {
            (inside, Vec::new())
        } else {
            let missing = || InstallError::CommandMissing { command: command.to_owned() };
            let found = self.cache.tool.environment.find(command).ok_or_else(missing)?;
            // Its own folder only where it is a runtime of the host: who imports a bundle names no other program.
            let opened = if matches!(command, "node" | "python3") { folders_of(&found) } else { files_of(&found) };
            (found, opened)
        };
        read_only.insert(0, folder.clone());
        Ok(Program { program, args: args.to_vec(), read_only, bundle: Some(folder), ..Program::default() })
    }
}

/// Whether it is a file of the folder, also after every link is followed.
fn is_program_in(folder: &Path, program: &Path) -> bool {
    let resolved = program.canonicalize().and_then(|program| Ok((program, folder.canonicalize()?)));
    resolved.is_ok_and(|(program, folder)| program.starts_with(folder) && program.is_file())
}
