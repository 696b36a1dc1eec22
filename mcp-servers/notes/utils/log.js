/** One line of JSON on standard error, which Berth keeps as the instance's log. */
export function log(event, fields = {}) {
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), event, ...fields })}\n`);
}
