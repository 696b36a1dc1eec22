//! URLs of outside services in a manifest.

use std::collections::BTreeMap;

use url::Url;

use super::ManifestError;
use crate::domain::template;

/// `text` with `{env.NAME}` filled with the manifest's variable of that name, so that another base URL there is another
/// one here.
///
/// # Errors
/// Names `field` when that is no http or https URL with a host.
pub(super) fn outside_url(field: &str, text: &str, env: &BTreeMap<String, String>) -> Result<Url, ManifestError> {
    let filled =
        template::expand(text, |key| key.strip_prefix("env.").and_then(|name| env.get(name)).map(String::as_str));
    let wrong = || {
        let reason =
            format!("{text:?} must be an http or https URL with a host; `{{env.NAME}}` may name a variable of `env`");
        ManifestError::new(field, reason)
    };
    let url: Url = filled.parse().map_err(|_| wrong())?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err(wrong()) }
}
