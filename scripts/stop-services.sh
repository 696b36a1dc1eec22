#!/usr/bin/env bash
# Stops the Berth that scripts/start-all-services.sh started, and with it every instance.
# It goes by the pid file and the time that process began, never by a name.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

data=${BERTH_DATA_DIR:-$ROOT/data}
pid_file=$data/berth-serve.pid

if ! pid_file_lives "$pid_file"; then
    rm -f "$pid_file"
    say "Berth does not run (no living process in $pid_file)"
    exit 0
fi
pid=$(cut -d' ' -f1 "$pid_file")
say "Stopping process $pid; instances have 10 s to end"
end_process "$pid" 60 || die "process $pid had to be killed; the next start cleans up after it"
rm -f "$pid_file"
say "Berth is stopped"
