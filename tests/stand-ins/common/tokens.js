/** The tokens that a stand-in takes: whose they are, and whether they are still good. */
export class Tokens {
  #known = new Map();

  /** `tokens` maps a token to the name of its account. */
  constructor(tokens = {}) {
    for (const [token, account] of Object.entries(tokens)) this.put(token, { account });
  }

  /** `state` is valid, expired or revoked; `expires_in` are seconds from now. */
  put(token, { account, state = 'valid', expires_in }) {
    const expiresAt = expires_in === undefined ? Infinity : Date.now() + expires_in * 1000;
    this.#known.set(token, { account, state, expiresAt });
  }

  /** Makes a known token expired or revoked, or valid again. */
  set(token, state) {
    const entry = this.#known.get(token);
    if (!entry) throw new Error('no such token');
    entry.state = state;
  }

  /** `{ account, state }`; the state of none is missing, that of a strange one is unknown. */
  look(token) {
    if (!token) return { state: 'missing' };
    const entry = this.#known.get(token);
    if (!entry) return { state: 'unknown' };
    const state = entry.state === 'valid' && Date.now() >= entry.expiresAt ? 'expired' : entry.state;
    return { account: entry.account, state };
  }
}
