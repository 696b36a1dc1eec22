//! By what limits hold: as the running Berth has it, else as one started here and now would.

use serde_json::Value;

use super::{Finding, Remote};
use crate::process::{self, Cgroups, How, cgroup::Allow};

/// Every limit's line.
pub(super) fn findings(remote: Option<&Remote>) -> Vec<Finding> {
    let told = remote.and_then(|remote| remote.get("/api/v1/admin/limits").ok());
    match told.as_ref().and_then(|told| told.get("items")).and_then(Value::as_array) {
        Some(lines) => lines.iter().filter_map(of_json).collect(),
        None => probed(),
    }
}

fn probed() -> Vec<Finding> {
    // A name of its own: a Berth of this data directory that starts at this moment is not disturbed.
    let cgroups = Cgroups::take(&format!("doctor-{}", std::process::id()), Allow::All);
    let lines = process::probe(&cgroups);
    cgroups.close();
    lines.into_iter().map(|line| finding(line.what.to_owned(), line.how.as_str(), &line.detail)).collect()
}

fn of_json(line: &Value) -> Option<Finding> {
    let text = |name: &str| line.get(name).and_then(Value::as_str);
    Some(finding(text("what")?.to_owned(), text("how")?, text("detail")?))
}

fn finding(what: String, how: &str, detail: &str) -> Finding {
    let detail = format!("{how}: {detail}");
    if how == How::NotAvailable.as_str() { Finding::warning(what, detail) } else { Finding::good(what, detail) }
}
