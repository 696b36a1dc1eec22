// Codes, access tokens and refresh tokens, and which consent they come from. In memory only.
import { createHash, randomBytes } from 'node:crypto';

const CODE_LIFETIME_MS = 10 * 60 * 1000;

export class Grants {
  #codes = new Map();
  #refreshTokens = new Map();
  #consented = new Set();

  /** `tell(token, {login, state})` hears of each access token, again when it ends: a stand-in of an API takes them. */
  constructor({ expiresIn = 3600, tell = async () => {} } = {}) {
    this.expiresIn = expiresIn;
    this.tell = tell;
  }

  /** A code for one use. */
  consent(request) {
    const code = `4/${random()}`;
    const key = `${request.client_id} ${request.account}`;
    const isFirst = !this.#consented.has(key);
    this.#consented.add(key);
    const offline = request.access_type === 'offline' && (isFirst || request.prompt?.includes('consent'));
    this.#codes.set(code, { ...request, offline, expiresAt: Date.now() + CODE_LIFETIME_MS });
    return code;
  }

  /** Tokens for a code; undefined when anything about it is wrong. */
  async exchange({ code, client_id, redirect_uri, code_verifier }) {
    const found = this.#codes.get(code);
    this.#codes.delete(code);
    if (!found || Date.now() > found.expiresAt) return undefined;
    if (found.client_id !== client_id || found.redirect_uri !== redirect_uri) return undefined;
    if (found.code_challenge && found.code_challenge !== challengeOf(code_verifier ?? '')) return undefined;
    const grant = { client_id, account: found.account, scope: found.scope, accessTokens: [] };
    const answer = await this.#issue(grant);
    if (!found.offline) return answer;
    const refresh_token = `1//${random()}`;
    this.#refreshTokens.set(refresh_token, grant);
    return { ...answer, refresh_token };
  }

  /** A fresh access token; the refresh token stays the same, as at Google. */
  async refresh({ refresh_token, client_id }) {
    const grant = this.#refreshTokens.get(refresh_token);
    return grant?.client_id === client_id ? this.#issue(grant) : undefined;
  }

  /** Ends a whole consent by either of its tokens; false when there is no such token. */
  async revoke(token) {
    for (const [refreshToken, grant] of this.#refreshTokens) {
      if (refreshToken !== token && !grant.accessTokens.includes(token)) continue;
      grant.isRevoked = true;
      this.#refreshTokens.delete(refreshToken);
      this.#consented.delete(`${grant.client_id} ${grant.account}`);
      for (const accessToken of grant.accessTokens)
        await this.tell(accessToken, { login: grant.account, state: 'revoked' });
      return true;
    }
    return false;
  }

  async #issue(grant) {
    const access_token = `ya29.${random()}`;
    grant.accessTokens.push(access_token);
    await this.tell(access_token, { login: grant.account, state: this.expiresIn > 0 ? 'valid' : 'expired' });
    if (this.expiresIn > 0) this.#expireLater(access_token, grant);
    return { access_token, expires_in: this.expiresIn, scope: grant.scope, token_type: 'Bearer' };
  }

  #expireLater(token, grant) {
    const end = () => grant.isRevoked || this.tell(token, { login: grant.account, state: 'expired' }).catch(() => {});
    setTimeout(end, this.expiresIn * 1000).unref();
  }
}

const random = () => randomBytes(24).toString('base64url');
const challengeOf = (verifier) => createHash('sha256').update(verifier).digest('base64url');
