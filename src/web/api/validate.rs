//! What an owner may ask of an instance: modes, configuration fields, environment names.

use std::collections::BTreeMap;

use crate::{
    domain::{
        instance::Mode,
        limits::Limits,
        manifest::{Launch, Manifest},
    },
    web::error::ApiError,
};

/// Names with which an owner could run code in the child's interpreter, redirect its libraries or
/// take the place of what Berth sets.
const REFUSED_NAMES: &[&str] = &[
    "PATH",
    "HOME",
    "TMPDIR",
    "PORT",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "GCONV_PATH",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "SSLKEYLOGFILE",
    "OPENSSL_CONF",
    "OPENSSL_MODULES",
    "TMP",
    "TEMP",
    "SHELL",
    "BASHOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "CLASSPATH",
    "VIRTUAL_ENV",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "RES_OPTIONS",
    "NLSPATH",
    "LOCPATH",
    "GLIBC_TUNABLES",
];
const REFUSED_PREFIXES: &[&str] = &[
    "BERTH_",
    "LD_",
    "DYLD_",
    "NODE_",
    "NPM_CONFIG_",
    "BUN_",
    "DENO_",
    "PYTHON",
    "UV_",
    "PIP_",
    "PERL",
    "RUBY",
    "LUA_",
    "GIT_",
    "JULIA_",
    "DOTNET_",
    "CORECLR_",
    "COMPLUS_",
    "MALLOC_",
];
/// Variables and fields that one instance may have.
const MAX_ENTRIES: usize = 100;
/// Longest value of one, in bytes: the kernel takes no argument or variable above 128 KiB.
const MAX_VALUE: usize = 32 * 1024;

/// Checks an owner's environment.
///
/// # Errors
/// The first name that is refused.
pub fn environment(env: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if env.len() > MAX_ENTRIES {
        return Err(ApiError::invalid(format!("`env` has at most {MAX_ENTRIES} variables")));
    }
    for (name, value) in env {
        let plain = !name.is_empty()
            && name.len() <= 128
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !plain {
            return Err(ApiError::invalid(format!(
                "`env`: {name:?} must be letters, digits and '_', not starting with a digit"
            )));
        }
        let upper = name.to_uppercase();
        if REFUSED_NAMES.contains(&upper.as_str()) || REFUSED_PREFIXES.iter().any(|prefix| upper.starts_with(prefix)) {
            return Err(ApiError::invalid(format!("`env`: {name} is not allowed, it could change what runs")));
        }
        value_of("env", name, value)?;
    }
    Ok(())
}

fn value_of(field: &str, name: &str, value: &str) -> Result<(), ApiError> {
    if value.len() > MAX_VALUE || value.contains('\0') {
        return Err(ApiError::invalid(format!("`{field}`: the value of {name} must be at most 32 KiB without NUL")));
    }
    Ok(())
}

/// Checks values against the manifest's fields.
///
/// # Errors
/// A field that there is not, or a required one that is missing.
pub fn config(manifest: &Manifest, config: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if let Some(unknown) = config.keys().find(|key| !manifest.config.iter().any(|field| field.name == **key)) {
        let known: Vec<&str> = manifest.config.iter().map(|field| field.name.as_str()).collect();
        return Err(ApiError::invalid(format!(
            "`config`: {} has no field {unknown:?}; it has: {}",
            manifest.name,
            known.join(", ")
        )));
    }
    config.iter().try_for_each(|(name, value)| value_of("config", name, value))?;
    let missing = manifest
        .config
        .iter()
        .find(|field| field.required && field.default.is_none() && !config.contains_key(&field.name));
    match missing {
        Some(field) => Err(ApiError::invalid(format!("`config`: {:?} is required: {}", field.name, field.help))),
        None => Ok(()),
    }
}

/// Checks an owner's name for an instance.
///
/// # Errors
/// When it is too long or has control characters.
pub fn label(label: &str) -> Result<(), ApiError> {
    if label.len() > 200 || label.chars().any(char::is_control) {
        return Err(ApiError::invalid("`label` has at most 200 bytes and no control characters"));
    }
    Ok(())
}

/// Checks limits that somebody wants: owners may tighten those `in_force` without, administrators may set any.
///
/// # Errors
/// When an owner would widen one.
pub fn limits(wanted: Limits, in_force: Limits, is_admin: bool) -> Result<(), ApiError> {
    let widens =
        |wanted: Option<u64>, most: Option<u64>| matches!((wanted, most), (Some(wanted), Some(most)) if wanted > most);
    let wide = |value: Option<u32>| value.map(u64::from);
    let any = widens(wanted.memory_bytes, in_force.memory_bytes)
        || widens(wide(wanted.cpu_percent), wide(in_force.cpu_percent))
        || widens(wide(wanted.processes), wide(in_force.processes))
        || widens(wide(wanted.open_files), wide(in_force.open_files))
        || widens(wanted.disk_bytes, in_force.disk_bytes)
        || widens(wanted.log_bytes, in_force.log_bytes);
    if any && !is_admin {
        return Err(ApiError::invalid(
            "`limits`: only an administrator may set more than the service, or Berth, allows",
        ));
    }
    Ok(())
}

/// The mode to use.
///
/// # Errors
/// When the service does not allow it, or Berth cannot serve it yet.
pub fn mode(manifest: &Manifest, wanted: Option<Mode>) -> Result<Mode, ApiError> {
    let is_remote = matches!(manifest.launch, Launch::Remote { .. });
    let served = |mode: &Mode| *mode != Mode::Session || !is_remote;
    let mode = wanted.or_else(|| manifest.modes.iter().copied().find(served)).unwrap_or_default();
    if !manifest.modes.contains(&mode) {
        let allowed: Vec<&str> = manifest.modes.iter().map(|mode| mode.as_str()).collect();
        return Err(ApiError::invalid(format!("`mode`: {} allows {}, not {mode}", manifest.name, allowed.join(", "))));
    }
    if mode == Mode::Shared && manifest.shared.is_none() {
        return Err(ApiError::invalid(format!("`mode`: {} has no processes that could be shared", manifest.name)));
    }
    if mode == Mode::Session && is_remote {
        return Err(ApiError::invalid("`mode`: a remote service has no process for each connection; use dedicated"));
    }
    Ok(mode)
}

/// Whether an instance in this mode can have an environment of its own.
///
/// # Errors
/// When its process is that of others, too.
pub fn environment_in(mode: Mode, env: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if mode == Mode::Shared && !env.is_empty() {
        return Err(ApiError::invalid(
            "`env`: a shared process has one environment for all; use `config`, or dedicated",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::manifest::SharedSpec;

    #[test]
    fn names_that_change_what_runs_are_refused() {
        let env = |name: &str| BTreeMap::from([(name.to_owned(), "x".to_owned())]);
        for name in ["FOO", "API_URL", "_X1", "DEBUG", "HTTPS_PROXY", "TZ"] {
            assert!(environment(&env(name)).is_ok(), "{name}");
        }
        for name in [
            "",
            "1A",
            "A-B",
            "A=B",
            "LD_PRELOAD",
            "node_options",
            "NODE_OPTIONS",
            "PYTHONPATH",
            "BERTH_HOST",
            "Path",
            "npm_config_prefix",
            "BASH_ENV",
            "GIT_SSH_COMMAND",
            "PROMPT_COMMAND",
            "PORT",
        ] {
            assert!(environment(&env(name)).is_err(), "{name}");
        }
    }

    fn manifest() -> Manifest {
        let fields =
            r#"[{"name":"NEEDED","required":true},{"name":"FILLED","required":true,"default":"x"},{"name":"FREE"}]"#;
        let text = format!(
            r#"{{"name":"x","display_name":"X","transport":"stdio","launch":{{"kind":"command","command":"/bin/cat"}},
            "config":{fields},"modes":["session","dedicated"],"limits":{{"memory_bytes":100,"processes":4}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn configuration_is_what_the_manifest_asks_for() {
        let check = |pairs: &[(&str, &str)]| {
            config(&manifest(), &pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        assert!(check(&[("NEEDED", "1")]).is_ok());
        assert!(check(&[("NEEDED", "1"), ("FREE", "2")]).is_ok());
        for wrong in [&[("FREE", "2")][..], &[("NEEDED", "1"), ("OTHER", "2")], &[("NEEDED", "a\0b")], &[]] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn owners_tighten_and_administrators_widen() {
        let service = manifest().limits;
        let wanted = |memory_bytes| Limits { memory_bytes: Some(memory_bytes), ..Limits::default() };
        assert!(limits(wanted(99), service, false).is_ok());
        assert!(limits(wanted(101), service, false).is_err());
        assert!(limits(wanted(101), service, true).is_ok());
    }

    #[test]
    fn modes_are_those_of_the_service_and_of_this_version() {
        let with = |modes: &[Mode]| Manifest { modes: modes.to_vec(), ..manifest() };
        let spec = SharedSpec { port: 49_200, workers: 1, start: None };
        let shared = |modes: &[Mode]| Manifest { shared: Some(spec.clone()), ..with(modes) };
        let cases = [
            (manifest(), None, Some(Mode::Session)),
            (manifest(), Some(Mode::Dedicated), Some(Mode::Dedicated)),
            (manifest(), Some(Mode::Shared), None),
            (with(&[Mode::Shared]), Some(Mode::Shared), None),
            (shared(&[Mode::Shared, Mode::Dedicated]), None, Some(Mode::Shared)),
            (shared(&[Mode::Dedicated, Mode::Shared]), None, Some(Mode::Dedicated)),
            (shared(&[Mode::Dedicated]), Some(Mode::Shared), None),
            (with(&[Mode::Dedicated]), Some(Mode::Session), None),
        ];
        for (manifest, wanted, expected) in cases {
            assert_eq!(mode(&manifest, wanted).ok(), expected, "{wanted:?} of {:?}", manifest.modes);
        }
        let url = "https://example.org/mcp".parse().unwrap();
        let far = Manifest { launch: Launch::Remote { url, headers: BTreeMap::new() }, ..manifest() };
        assert!(mode(&far, Some(Mode::Session)).is_err());
        assert_eq!(mode(&far, None).ok(), Some(Mode::Dedicated));
    }
}
