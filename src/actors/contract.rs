//! What the processes of a shared service are told: once, by which secret they know their gateway; with each
//! request, whose it is.
//!
//! The same holds for a process of such a service that serves one instance alone. Nothing that a client sends
//! takes the place of any of this.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::{
    domain::{ids::InstanceId, secret::Secret},
    mcp::http::Headers,
};

/// The variable that tells a process its secret.
pub(super) const SECRET_VARIABLE: &str = "BERTH_GATEWAY_SECRET";

const GATEWAY: &str = "x-berth-gateway";
const INSTANCE: &str = "x-berth-instance";
const CREDENTIAL: &str = "x-berth-credential";
const CONFIG: &str = "x-berth-config";

/// The secret of one process: 256 bits that nobody else is ever told.
///
/// # Errors
/// When the operating system gives no randomness.
pub(super) fn fresh_secret() -> Result<Secret, getrandom::Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut())?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_ref())))
}

/// What proves to a process that it is its gateway that speaks.
pub(super) fn of_gateway(secret: &Secret) -> Headers {
    vec![(GATEWAY.to_owned(), secret.clone())]
}

/// Whose request it is. `config` is the JSON object of the values of the instance's fields.
pub(super) fn of_instance(id: InstanceId, credential: Option<&Secret>, config: &str) -> Headers {
    let encoded = |text: &str| Secret::new(URL_SAFE_NO_PAD.encode(text));
    let mut headers = vec![(INSTANCE.to_owned(), Secret::new(id.to_string()))];
    headers.extend(credential.map(|credential| (CREDENTIAL.to_owned(), encoded(credential.expose()))));
    if config != "{}" {
        headers.push((CONFIG.to_owned(), encoded(config)));
    }
    headers
}

/// What comes before every path of the instance.
pub(super) fn base(id: InstanceId) -> String {
    format!("/{id}")
}

/// The MCP endpoint of the instance.
pub(super) fn endpoint(id: InstanceId) -> String {
    format!("/{id}/mcp")
}
