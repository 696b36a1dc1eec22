import { resolve } from 'node:path';

/** Reads the settings from environment variables; anything wrong ends the start with a reason. */
export function readSettings(env) {
  const port = Number(env.PORT);
  if (!Number.isInteger(port) || port < 0 || port > 65535 || !env.PORT) {
    throw new Error(`PORT must be a port number, not ${JSON.stringify(env.PORT)}`);
  }
  return {
    host: '127.0.0.1',
    port,
    folder: resolve(env.NOTES_DIR || 'notes'),
    maxBodyBytes: 1024 * 1024,
    maxSessions: 100,
    sessionIdleMs: 30 * 60 * 1000,
  };
}
