//! The environment that npm, pip and uv are run with: made from nothing and a list.
//!
//! Invariant: a tool gets no variable of Berth's own, and none that is not on the lists below.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use super::program;

/// Variables that a tool gets from Berth's environment when they are there: registries, proxies,
/// certificates, registry tokens that an `.npmrc` refers to.
const PASSED: &[&str] = &[
    "PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NPM_TOKEN",
    "NODE_AUTH_TOKEN",
];
/// As [`PASSED`], by how the name starts.
const PASSED_PREFIXES: &[&str] = &["NPM_CONFIG_", "PIP_", "UV_"];
/// Never passed: they would send the installation elsewhere, or let packages run code in it.
const REFUSED: &[&str] = &[
    "NPM_CONFIG_PREFIX",
    "NPM_CONFIG_LOCAL_PREFIX",
    "NPM_CONFIG_GLOBAL_PREFIX",
    "NPM_CONFIG_GLOBAL",
    "NPM_CONFIG_LOCATION",
    "NPM_CONFIG_DRY_RUN",
    "NPM_CONFIG_WORKSPACE",
    "NPM_CONFIG_WORKSPACES",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_USER",
    "PIP_PYTHON",
    "PIP_DRY_RUN",
    "UV_TARGET",
    "UV_PREFIX",
    "UV_SYSTEM_PYTHON",
    "UV_PROJECT_ENVIRONMENT",
];

/// The variables that tools are run with. Built once, from Berth's own or from what a test gives.
#[derive(Clone, Debug)]
pub struct Environment {
    path: Option<OsString>,
    passed: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// What may be passed on of this process's environment.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::from_variables(std::env::vars_os())
    }

    /// What may be passed on of `variables`. The user's own `.npmrc`, `pip.conf` and `uv.toml` are
    /// found through their `HOME` and `XDG_CONFIG_HOME`, as private mirrors are set there; the
    /// tools' own `HOME` is inside the cache.
    pub fn from_variables(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let all: BTreeMap<OsString, OsString> = variables.into_iter().collect();
        let mut passed: BTreeMap<OsString, OsString> =
            all.iter().filter(|(name, _)| is_passed(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
        for (name, file) in user_settings(&all) {
            let given = passed.keys().any(|key| key.eq_ignore_ascii_case(name));
            if !given && file.is_file() {
                passed.insert(name.into(), file.into());
            }
        }
        for (name, value) in [
            ("LANG", "C.UTF-8"),
            ("npm_config_update_notifier", "false"),
            // Packages from anywhere but the registry could bring settings that run programs.
            ("npm_config_allow_git", "none"),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
            ("PIP_NO_INPUT", "1"),
        ] {
            passed.insert(name.into(), value.into());
        }
        // A registry that is not there should be said in seconds, not minutes.
        for (name, value) in [("npm_config_fetch_retries", "1"), ("npm_config_fetch_retry_mintimeout", "2000")] {
            if !passed.keys().any(|key| key.eq_ignore_ascii_case(name)) {
                passed.insert(name.into(), value.into());
            }
        }
        Self { path: all.get(OsStr::new("PATH")).cloned(), passed }
    }

    /// The variables.
    pub(super) const fn passed(&self) -> &BTreeMap<OsString, OsString> {
        &self.passed
    }

    /// The executable that a bare name or an absolute path means.
    pub(super) fn find(&self, command: &str) -> Option<PathBuf> {
        program::find(command, self.path.as_deref())
    }
}

fn is_passed(name: &OsStr) -> bool {
    let Some(name) = name.to_str().map(str::to_ascii_uppercase) else { return false };
    let listed = PASSED.contains(&name.as_str()) || PASSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    listed && !REFUSED.contains(&name.as_str())
}

/// Where users keep the settings of the tools, the first that exists counting.
fn user_settings(all: &BTreeMap<OsString, OsString>) -> Vec<(&'static str, PathBuf)> {
    let Some(home) = all.get(OsStr::new("HOME")).map(Path::new) else { return Vec::new() };
    let config = all.get(OsStr::new("XDG_CONFIG_HOME")).map_or_else(|| home.join(".config"), PathBuf::from);
    let pip = config.join("pip/pip.conf");
    let pip = if pip.is_file() { pip } else { home.join(".pip/pip.conf") };
    vec![
        ("NPM_CONFIG_USERCONFIG", home.join(".npmrc")),
        ("PIP_CONFIG_FILE", pip),
        ("UV_CONFIG_FILE", config.join("uv/uv.toml")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(list: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        list.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn passes_registries_and_proxies_and_nothing_else() {
        let environment = Environment::from_variables(variables(&[
            ("PATH", "/bin"),
            ("https_proxy", "http://proxy"),
            ("npm_config_registry", "https://mirror"),
            ("npm_config_global", "true"),
            ("PIP_INDEX_URL", "https://mirror"),
            ("PIP_TARGET", "/elsewhere"),
            ("BERTH_MASTER_KEY", "secret"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("NODE_OPTIONS", "--require /x.js"),
            ("HOME", "/nonexistent"),
        ]));
        let has = |name: &str| environment.passed.contains_key(OsStr::new(name));
        for name in ["PATH", "https_proxy", "npm_config_registry", "PIP_INDEX_URL"] {
            assert!(has(name), "{name}");
        }
        let refused =
            ["npm_config_global", "PIP_TARGET", "BERTH_MASTER_KEY", "AWS_SECRET_ACCESS_KEY", "NODE_OPTIONS", "HOME"];
        for name in refused {
            assert!(!has(name), "{name}");
        }
    }

    #[test]
    fn finds_the_users_own_settings() {
        let home = tempfile::tempdir().unwrap();
        let npmrc = home.path().join(".npmrc");
        std::fs::write(&npmrc, "registry=https://mirror\n").unwrap();
        let mut given = variables(&[]);
        given.push(("HOME".into(), home.path().into()));
        let environment = Environment::from_variables(given.clone());
        assert_eq!(environment.passed.get(OsStr::new("NPM_CONFIG_USERCONFIG")), Some(&npmrc.into_os_string()));
        assert!(!environment.passed.contains_key(OsStr::new("PIP_CONFIG_FILE")));
        given.push(("npm_config_userconfig".into(), "/mine".into()));
        let environment = Environment::from_variables(given);
        assert!(!environment.passed.contains_key(OsStr::new("NPM_CONFIG_USERCONFIG")));
    }
}
