//! What every request of this era carries in `_meta`.

use serde_json::{Value, json};

use crate::{
    caller::severity,
    wire::{Failure, Members, code, meta, text},
};

/// The one version spoken here.
pub(crate) const VERSION: &str = "2026-07-28";
const PREFIX: &str = "io.modelcontextprotocol/";

/// See the module.
pub(crate) struct Envelope {
    pub(crate) version: String,
    /// The client's capabilities, for this request.
    pub(crate) declared: Members,
    pub(crate) level: Option<usize>,
    pub(crate) token: Option<Value>,
}

/// Reads the envelope.
///
/// A client of the session era knows none: its `initialize` is told what is spoken here.
pub(crate) fn read(method: &str, params: &Members) -> Result<Envelope, Failure> {
    let mut meta = meta(params);
    let mut take = |name: &str| meta.remove(&format!("{PREFIX}{name}"));
    let (version, declared) = (take("protocolVersion"), take("clientCapabilities"));
    if method == "initialize" && version.is_none() {
        return Err(unsupported(text(params, "protocolVersion").unwrap_or_default()));
    }
    let Some(Value::String(version)) = version else {
        return Err(Failure::invalid("_meta names no protocolVersion"));
    };
    let Some(Value::Object(declared)) = declared else {
        return Err(Failure::invalid("_meta holds no clientCapabilities"));
    };
    let level = match take("logLevel") {
        None => None,
        Some(level) => Some(level.as_str().and_then(severity).ok_or_else(|| Failure::invalid("unknown logLevel"))?),
    };
    Ok(Envelope { version, declared, level, token: meta.remove("progressToken") })
}

impl Envelope {
    /// Refuses any other version.
    pub(crate) fn supported(self) -> Result<Self, Failure> {
        if self.version == VERSION { Ok(self) } else { Err(unsupported(&self.version)) }
    }

    /// Whether the client knows tasks.
    pub(crate) fn tasks(&self) -> bool {
        self.declared.get("extensions").is_some_and(|extensions| !extensions[super::tasks::EXTENSION].is_null())
    }
}

fn unsupported(requested: &str) -> Failure {
    Failure::new(code::UNSUPPORTED_VERSION, format!("version {requested} is not spoken here"))
        .with(json!({ "supported": [VERSION], "requested": requested }))
}

/// The refusal of a call that needs what the client did not declare.
pub(crate) fn missing(capabilities: &Value) -> Failure {
    Failure::new(code::MISSING_CAPABILITY, format!("the client declared none of {capabilities}"))
        .with(json!({ "requiredCapabilities": capabilities }))
}
