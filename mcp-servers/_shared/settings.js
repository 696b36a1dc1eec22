/** The settings that every shared service has. Anything wrong ends the start with a reason. */
export function readSettings(env) {
  return {
    host: env.HOST || '127.0.0.1',
    port: integer(env, 'PORT', undefined, 0, 65535),
    /** Known to the gateway alone; without it no instance is served. */
    gatewaySecret: env.BERTH_GATEWAY_SECRET || undefined,
    maxBodyBytes: integer(env, 'MAX_BODY_BYTES', 4 * 1024 * 1024, 1024),
    outside: {
      /** For one attempt. */
      timeoutMs: integer(env, 'OUTSIDE_TIMEOUT_MS', 20_000, 1),
      /** Attempts after the first one. */
      retries: integer(env, 'OUTSIDE_RETRIES', 2, 0, 10),
      /** Longest wait that a rate limit may ask for; a longer one is told to the caller instead. */
      maxWaitMs: integer(env, 'OUTSIDE_MAX_WAIT_MS', 10_000, 0),
      maxResponseBytes: integer(env, 'OUTSIDE_MAX_RESPONSE_BYTES', 16 * 1024 * 1024, 1024),
    },
  };
}

/** A whole number from the environment. */
export function integer(env, name, fallback, least = 0, most = Number.MAX_SAFE_INTEGER) {
  if (!env[name] && fallback !== undefined) return fallback;
  const value = Number(env[name]);
  if (!env[name] || !Number.isInteger(value) || value < least || value > most) {
    throw new Error(`${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(env[name])}`);
  }
  return value;
}

/** An http(s) URL from the environment, without a slash at its end. */
export function baseUrl(env, name, fallback) {
  const text = env[name] || fallback;
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new Error(`${name} must be an http or https URL, not ${JSON.stringify(text)}`);
  }
  return text.replace(/\/+$/, '');
}
