//! Packages of the npm registry, started as `node <program>` and never through `npx`.
//!
//! Scripts of packages do not run while they are installed: an installation happens as Berth's own
//! user, before any sandbox.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;

use super::{
    InstallError, Program,
    cache::{Cache, blocking},
    lean,
    program::{as_argument, folders_of},
    tool::Progress,
};

/// How npm is told to do no more than is asked of it. `http` is the level that shows progress.
pub(super) const QUIETLY: &[&str] =
    &["--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--loglevel=http", "--no-progress"];

/// One version of one package.
#[derive(Clone, Debug)]
pub(super) struct NpmPackage {
    package: String,
    version: String,
    folder: PathBuf,
}

impl NpmPackage {
    /// `package` and `version` have been validated: they make a path below the cache.
    pub(super) fn new(cache: &Cache, package: &str, version: &str) -> Self {
        let folder = cache.root.join("npm").join(format!("{package}@{version}"));
        Self { package: package.to_owned(), version: version.to_owned(), folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn label(&self) -> String {
        format!("npm package {}@{}", self.package, self.version)
    }

    /// Installs into a staged folder and moves it into place.
    pub(super) async fn install(self, cache: &Arc<Cache>, progress: &Progress) -> Result<(), InstallError> {
        let npm = cache.tool_path("npm", "npm", "nodejs npm")?;
        let (staged, unfinished) = cache.stage()?;
        let description = staged.join("package.json");
        fs::write(&description, "{\"private\":true}\n").map_err(|error| InstallError::file(&description, &error))?;
        let mut command = cache.tool.command(&npm, &staged);
        command.arg("install").args(QUIETLY).arg("--save-exact").arg("--prefix").arg(&staged);
        command.arg("--").arg(format!("{}@{}", self.package, self.version));
        cache.tool.run(command, progress).await?;
        let cache = Arc::clone(cache);
        blocking(move || cache.publish(&staged, unfinished, &self.folder)).await
    }

    /// `node` and the program of the package.
    pub(super) fn program(&self, cache: &Cache, entry: Option<&str>, args: &[String]) -> Result<Program, InstallError> {
        let script = self.script(entry)?;
        let node = node(cache)?;
        let mut read_only = vec![self.folder.clone()];
        read_only.extend(folders_of(&node));
        let args = std::iter::once(as_argument(&script)).chain(args.iter().cloned()).collect();
        Ok(node_program(node, args, read_only, cache))
    }

    fn script(&self, entry: Option<&str>) -> Result<PathBuf, InstallError> {
        let home = self.folder.join("node_modules").join(&self.package);
        let description = home.join("package.json");
        let text = fs::read(&description).map_err(|error| InstallError::file(&description, &error))?;
        let no_program = |reason: String| InstallError::no_program(&self.package, reason);
        let about: Value =
            serde_json::from_slice(&text).map_err(|error| no_program(format!("its package.json: {error}")))?;
        let script = choose(&self.package, &about["bin"], entry).map_err(no_program)?;
        let resolved = home.join(&script).canonicalize().map_err(|error| no_program(format!("{script}: {error}")))?;
        let inside = home.canonicalize().is_ok_and(|home| resolved.starts_with(home));
        if inside && resolved.is_file() { Ok(resolved) } else { Err(no_program(format!("{script} is no file of it"))) }
    }
}

/// The `node` of the host.
pub(super) fn node(cache: &Cache) -> Result<PathBuf, InstallError> {
    cache.tool_path("node", "Node.js (node)", "nodejs")
}

/// A program that Node runs, lean.
pub(super) fn node_program(node: PathBuf, args: Vec<String>, read_only: Vec<PathBuf>, cache: &Cache) -> Program {
    let runtime_args = lean::NODE_FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
    let (name, folder) = lean::NODE_COMPILE_CACHE;
    let env = if cache.node_keeps_compiled_code(&node) { vec![(name.to_owned(), folder.to_owned())] } else { vec![] };
    Program { program: node, runtime_args, env, args, read_only, bundle: None }
}

/// The script that `bin` of a package.json gives for `entry`: that one; when there is none asked
/// for, the only one or the one named like the package.
fn choose(package: &str, bin: &Value, entry: Option<&str>) -> Result<String, String> {
    let short = package.rsplit('/').next().unwrap_or(package);
    let programs: Vec<(&str, &str)> = match bin {
        Value::String(script) => vec![(short, script.as_str())],
        Value::Object(programs) => {
            programs.iter().filter_map(|(name, script)| Some((name.as_str(), script.as_str()?))).collect()
        }
        _ => Vec::new(),
    };
    let named = |wanted: &str| programs.iter().find(|(name, _)| *name == wanted);
    let chosen = match (entry, programs.as_slice()) {
        (Some(entry), _) => named(entry),
        (None, [only]) => Some(only),
        (None, _) => named(short),
    };
    chosen.map(|(_, script)| (*script).to_owned()).ok_or_else(|| {
        let names: Vec<&str> = programs.iter().map(|(name, _)| *name).collect();
        match names.as_slice() {
            [] => "its package.json names none".to_owned(),
            names => format!("set `launch.entry` to one of {}", names.join(", ")),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn chooses_the_program() {
        let two = json!({"server": "a.js", "tool": "b.js"});
        let cases = [
            ("@x/server", json!("dist/i.js"), None, Ok("dist/i.js")),
            ("@x/server", json!("dist/i.js"), Some("server"), Ok("dist/i.js")),
            ("@x/server", json!({"mcp-server": "a.js"}), None, Ok("a.js")),
            ("@x/server", two.clone(), None, Ok("a.js")),
            ("@x/server", two.clone(), Some("tool"), Ok("b.js")),
            ("@x/other", two.clone(), None, Err("set `launch.entry` to one of server, tool")),
            ("@x/server", two, Some("none"), Err("set `launch.entry` to one of server, tool")),
            ("@x/server", Value::Null, None, Err("its package.json names none")),
        ];
        for (package, bin, entry, expected) in cases {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(choose(package, &bin, entry), expected, "{package} {bin} {entry:?}");
        }
    }
}
