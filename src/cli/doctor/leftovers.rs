//! What the next start would sweep, and why: told, not done.

use std::{collections::HashSet, time::Duration};

use super::{Finding, Remote};
use crate::{
    domain::{ids::Generation, time::Timestamp},
    process::{
        cgroup::{StaleGroup, find_groups},
        running_for,
        sweep::{StaleProcess, find_stale},
    },
};

/// Clocks are compared: a start this close to Berth's own is taken for one of this run.
const SLACK: Duration = Duration::from_secs(1);

/// Processes and groups of the data directory `host` that no running Berth is responsible for.
pub(super) fn findings(host: &str, remote: Option<&Remote>) -> Vec<Finding> {
    let run = Run::of(remote);
    let groups: Vec<StaleGroup> = find_groups(host).into_iter().filter(|it| run.is_over(it.generation)).collect();
    let mut findings: Vec<Finding> = groups.iter().map(|group| of_group(group, &run)).collect();
    let processes = find_stale(host, &HashSet::new());
    findings.extend(
        processes.iter().filter(|it| run.is_over(Some(it.generation))).map(|process| of_process(process, &run)),
    );
    if findings.is_empty() {
        findings.push(Finding::good("leftovers", "no processes or groups of an earlier run"));
    }
    findings
}

/// The run that starts are compared with.
enum Run {
    /// Berth does not run: whatever there is, is left over.
    None,
    /// It runs since this moment.
    Since(Timestamp),
}

impl Run {
    fn of(remote: Option<&Remote>) -> Self {
        let Some(running) = remote.and_then(|remote| running_for(remote.pid())) else { return Self::None };
        let ago = i64::try_from((running + SLACK).as_millis()).unwrap_or(i64::MAX);
        Self::Since(Timestamp(Timestamp::now().0.saturating_sub(ago)))
    }

    /// Generations begin at the time at which their run began, in milliseconds.
    fn is_over(&self, generation: Option<Generation>) -> bool {
        match (self, generation) {
            (Self::None, _) => true,
            (Self::Since(start), Some(generation)) => generation.0 < u64::try_from(start.0).unwrap_or(0),
            // A group without an instance: a probe of the limits, made and removed within a moment.
            (Self::Since(_), None) => false,
        }
    }

    const fn reason(&self) -> &'static str {
        match self {
            Self::None => "and Berth does not run",
            Self::Since(_) => "and that start is older than the Berth that runs",
        }
    }
}

fn of_process(process: &StaleProcess, run: &Run) -> Finding {
    let StaleProcess { pid, instance, generation, name, .. } = process;
    let detail = format!(
        "process {pid} ({name}): its environment has this data directory's mark for instance {instance}, start \
         {generation}, {}; the next start of Berth ends it",
        run.reason()
    );
    Finding::warning("stale process", detail)
}

fn of_group(group: &StaleGroup, run: &Run) -> Finding {
    let whose = match (group.instance, group.generation) {
        (Some(instance), Some(generation)) => format!("instance {instance}, start {generation}"),
        _ => "no instance".to_owned(),
    };
    let detail = format!(
        "{} with {} processes: its name has this data directory's id and {whose}, {}; the next start of Berth \
         ends and removes it",
        group.path.display(),
        group.pids.len(),
        run.reason()
    );
    Finding::warning("stale group", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_running_berth_started_is_not_left_over() {
        let since = Run::Since(Timestamp(1000));
        let cases = [
            (&Run::None, Some(5000), true),
            (&Run::None, None, true),
            (&since, Some(999), true),
            (&since, Some(1000), false),
            (&since, Some(5000), false),
            (&since, None, false),
        ];
        for (run, generation, expected) in cases {
            assert_eq!(run.is_over(generation.map(Generation)), expected, "{generation:?}");
        }
    }
}
