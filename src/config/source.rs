//! Where settings come from, behind a trait so that tests never touch the process environment.

use std::{collections::BTreeMap, path::Path, str::FromStr};

use super::{ConfigError, SETTINGS};

/// Yields the text of a setting by its name.
pub trait Source {
    /// The value, if it is set.
    fn get(&self, key: &str) -> Option<String>;
}

/// Flags over environment over file.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    layers: Vec<BTreeMap<String, String>>,
}

impl Layers {
    /// `flags` first, then `environment` (as `BERTH_NAME` pairs), then `file` if it exists.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML or has a key that is no setting.
    pub fn new(
        flags: BTreeMap<String, String>,
        environment: impl Iterator<Item = (String, String)>,
        file: &Path,
    ) -> Result<Self, ConfigError> {
        let environment =
            environment.filter_map(|(name, value)| Some((name.strip_prefix("BERTH_")?.to_lowercase(), value)));
        // An empty variable is how shells and unit files say "not set".
        let environment = environment.filter(|(_, value)| !value.is_empty()).collect();
        Ok(Self { layers: vec![flags, environment, read_file(file)?] })
    }
}

impl Source for Layers {
    fn get(&self, key: &str) -> Option<String> {
        self.layers.iter().find_map(|layer| layer.get(key).cloned())
    }
}

impl Source for BTreeMap<String, String> {
    fn get(&self, key: &str) -> Option<String> {
        BTreeMap::get(self, key).cloned()
    }
}

fn read_file(path: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let file = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(source) => return Err(ConfigError::Read { file, source }),
    };
    let table: toml::Table =
        text.parse().map_err(|source| ConfigError::Toml { file: file.clone(), source: Box::new(source) })?;
    table
        .into_iter()
        .map(|(key, value)| {
            if !SETTINGS.contains(&key.as_str()) {
                return Err(ConfigError::Unknown { file: file.clone(), key });
            }
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Array(items) => {
                    items.iter().map(|item| item.as_str().unwrap_or_default()).collect::<Vec<_>>().join(",")
                }
                other => other.to_string(),
            };
            Ok((key, text))
        })
        .collect()
}

/// The setting `key`, or `default` when it is not set.
pub(super) fn read<T>(source: &dyn Source, key: &str, default: T) -> Result<T, ConfigError>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    match source.get(key) {
        None => Ok(default),
        Some(text) => text.trim().parse().map_err(|error: T::Err| ConfigError::Invalid {
            key: key.to_owned(),
            reason: format!("{text:?}: {error}"),
        }),
    }
}

/// The setting `key` as a whole number between `least` and `most`.
pub(super) fn read_between(
    source: &dyn Source,
    key: &str,
    default: u64,
    least: u64,
    most: u64,
) -> Result<u64, ConfigError> {
    let value = read(source, key, default)?;
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(ConfigError::Invalid { key: key.to_owned(), reason: format!("must be {least} to {most}, not {value}") })
}
