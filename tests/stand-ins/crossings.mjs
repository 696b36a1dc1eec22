// A test writes `for:<login>` somewhere into its arguments. Where that meets the credential of somebody
// else, a call went out with the wrong key, and is answered so that nothing takes it for a success.

const MARK = /for:([a-z0-9_-]+)/gi;

/** What such a call is answered, whatever it was; undefined for any other. */
export function crossingOf(text, login) {
  const meant = [...text.matchAll(MARK)].map(([, name]) => name).find((name) => name !== login);
  return meant && { status: 418, body: { crossing: { meant, login } } };
}
