//! The tools that become tasks where the client knows the tasks extension, and plain calls elsewhere.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use crate::{
    script::Script,
    scripts::{confirmations, greeting},
    tools::{error_result, text_result},
    wire::{Answer, Failure, Members, code, text},
};

/// See the module.
#[derive(Clone)]
pub(crate) enum Job {
    SlowCompute {
        time: Duration,
        label: String,
    },
    Failing,
    ProtocolError,
    /// Asks before it ends, as a task.
    Asking(Script),
    /// Asks before it becomes a task.
    AskThenTask(Script),
}

impl Job {
    /// The job of a tool, if it is one of these.
    pub(crate) fn of(name: &str, arguments: &Members) -> Option<Result<Self, Failure>> {
        Some(Ok(match name {
            "slow_compute" => return Some(slow_compute(arguments)),
            "failing_job" => Self::Failing,
            "protocol_error_job" => Self::ProtocolError,
            "confirm_delete" => {
                let file = arguments.get("filename").and_then(Value::as_str).unwrap_or("the file");
                Self::Asking(confirmations(&["confirm_delete"], &format!("Delete {file}?")))
            }
            "multi_input" => Self::Asking(confirmations(&["first", "second"], "Go on?")),
            "test_tool_with_task" => Self::AskThenTask(greeting()),
            _ => return None,
        }))
    }

    /// Whether it is refused to a client that does not know tasks.
    pub(crate) const fn needs_tasks(&self) -> bool {
        matches!(self, Self::Failing | Self::AskThenTask(_))
    }
}

/// Runs a job that asks for nothing.
pub(crate) async fn run(job: &Job) -> Answer {
    match job {
        Job::SlowCompute { time, label } => {
            sleep(*time).await;
            Ok(text_result(&format!("{label}: computed")))
        }
        Job::Failing => {
            sleep(Duration::from_millis(100)).await;
            Ok(error_result("this job always fails"))
        }
        Job::ProtocolError => Err(Failure::new(code::INTERNAL, "this job ends in a protocol error")),
        Job::Asking(_) | Job::AskThenTask(_) => Err(Failure::new(code::INTERNAL, "scripts are played elsewhere")),
    }
}

fn slow_compute(arguments: &Members) -> Result<Job, Failure> {
    let seconds = arguments.get("seconds").and_then(Value::as_f64).unwrap_or_default();
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| Failure::invalid("seconds must not be negative"))?;
    let label = text(arguments, "label").unwrap_or("work").to_owned();
    Ok(Job::SlowCompute { time, label })
}
