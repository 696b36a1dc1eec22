const KINDS = ['rate_limit', 'malformed', 'status', 'hang', 'reset', 'slow'];

/** What is to go wrong with the next requests. */
export class Faults {
  #waiting = [];

  /**
   * `kind` is one of rate_limit {retry_after}, malformed, status {status, body}, hang, reset, slow {ms}; it strikes
   * `times` requests (once) whose path holds `path` and that came with `token`, where these are given.
   */
  add(fault) {
    if (!KINDS.includes(fault.kind)) throw new Error(`kind must be one of ${KINDS.join(', ')}`);
    this.#waiting.push({ times: 1, ...fault });
  }

  /** The fault of this request, if it has one. */
  take({ path, token }) {
    const strikes = (fault) =>
      (fault.path === undefined || path.includes(fault.path)) && (fault.token === undefined || fault.token === token);
    const fault = this.#waiting.find(strikes);
    if (!fault) return undefined;
    fault.times -= 1;
    if (fault.times <= 0) this.#waiting.splice(this.#waiting.indexOf(fault), 1);
    return fault;
  }

  clear() {
    this.#waiting = [];
  }
}
