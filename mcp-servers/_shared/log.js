const LEVELS = { debug: 0, info: 1, error: 2 };
const least = LEVELS[process.env.LOG_LEVEL] ?? LEVELS.info;

function write(level, event, fields) {
  if (LEVELS[level] < least) return;
  process.stderr.write(`${JSON.stringify({ at: new Date().toISOString(), level, event, ...fields })}\n`);
}

/** One line of JSON each on standard error, which Berth keeps as a log. Never give it headers or a body. */
export const log = {
  debug: (event, fields) => write('debug', event, fields),
  info: (event, fields) => write('info', event, fields),
  error: (event, fields) => write('error', event, fields),
};
