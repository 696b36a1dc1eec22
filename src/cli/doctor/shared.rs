//! Whether the processes of shared services run, as the running Berth has it.

use serde_json::Value;

use super::{Finding, Remote};

/// A line for each shared service that was needed so far.
pub(super) fn findings(remote: Option<&Remote>) -> Vec<Finding> {
    let told = remote.and_then(|remote| remote.get("/api/v1/admin/health").ok());
    let pools = told.as_ref().and_then(|told| told.get("shared")).and_then(Value::as_array);
    pools.into_iter().flatten().filter_map(of_pool).collect()
}

fn of_pool(pool: &Value) -> Option<Finding> {
    let what = format!("shared service {}", pool.get("service")?.as_str()?);
    let workers = pool.get("workers")?.as_array()?;
    let state = |worker: &Value| worker.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
    let count = |wanted: &str| workers.iter().filter(|worker| state(worker) == wanted).count();
    let fallen = workers.iter().find(|worker| matches!(state(worker).as_str(), "failed" | "unhealthy" | "restarting"));
    Some(match fallen {
        Some(worker) => {
            let reason = worker.get("last_error").and_then(Value::as_str).unwrap_or("it fails its health checks");
            let log = "its log is in logs/shared of the data directory";
            Finding::warning(what, format!("a process is {}: {reason}; {log}", state(worker)))
        }
        None => Finding::good(what, format!("{} of {} processes run", count("running"), workers.len())),
    })
}
