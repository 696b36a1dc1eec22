// Which token came with which request. A call made for one user with the key of another is a crossing:
// a test writes `for:<account>` somewhere into its arguments, and here it is held against the token.

const KEPT = 10_000;
const MARK = /for:([a-z0-9_-]+)/gi;

export class Journal {
  #entries = [];
  #perAccount = new Map();
  #crossings = [];
  #count = 0;

  add({ method, path, query, text, token, account }) {
    this.#count += 1;
    this.#perAccount.set(account ?? '', (this.#perAccount.get(account ?? '') ?? 0) + 1);
    if (this.#entries.length === KEPT) this.#entries.shift();
    this.#entries.push({ method, path, query: query.toString(), token, account });
    const said = decodeURIComponent(`${path}?${query} ${text}`.replaceAll(/%(?![0-9a-f]{2})/gi, '%25'));
    for (const [, meant] of said.matchAll(MARK)) {
      if (meant !== account) this.#crossings.push({ path, meant, account: account ?? null });
    }
  }

  /** Newest last; the counts are of all requests since the last `clear`, `requests` holds the newest only. */
  report() {
    return {
      count: this.#count,
      accounts: Object.fromEntries(this.#perAccount),
      crossings: this.#crossings,
      requests: this.#entries,
    };
  }

  clear() {
    this.#entries = [];
    this.#perAccount.clear();
    this.#crossings = [];
    this.#count = 0;
  }
}
