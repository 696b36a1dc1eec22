/**
 * Steers a stand-in from outside:
 *
 * - `PUT /_control/tokens {token, account, state?, expires_in?}`: takes a token, or changes it
 * - `POST /_control/faults {kind, times?, path?, token?, …}`, `DELETE /_control/faults`
 * - `GET /_control/requests`: `{count, accounts, crossings, requests}`; `DELETE` forgets them
 * - `POST /_control/seed {account, …}`: adds to an account's state, where the stand-in knows how
 */
export function control({ api, tokens, faults, journal }, { method, path, body }) {
  const done = { status: 204 };
  switch (`${method} ${path.slice('/_control/'.length)}`) {
    case 'PUT tokens': {
      const { token, ...rest } = body;
      tokens.put(token, { account: tokens.look(token).account, ...rest });
      return done;
    }
    case 'POST faults':
      faults.add(body);
      return done;
    case 'DELETE faults':
      faults.clear();
      return done;
    case 'GET requests':
      return { body: journal.report() };
    case 'DELETE requests':
      journal.clear();
      return done;
    case 'POST seed':
      return { body: api.seed?.(body) ?? {} };
    default:
      return { status: 404, body: { error: `there is nothing to steer at ${path}` } };
  }
}
