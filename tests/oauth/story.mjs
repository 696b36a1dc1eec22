// What every TypeScript client goes through: from 401 to a tool call by the consent of a person, past the end of its access
// token, until the person takes the consent back. One line of JSON per check.
//
// BERTH_TARGET: URL of the instance, with the tool `test_simple_text`. BERTH_BROWSER: browser.mjs. BERTH_DOCUMENTS:
// documents.mjs. BERTH_URL, BERTH_TOKEN: to take consent back by. BERTH_RESULTS: file that takes the lines.
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const { BERTH_BROWSER, BERTH_DOCUMENTS, BERTH_RESULTS, BERTH_TARGET, BERTH_TOKEN, BERTH_URL } = process.env;
const REDIRECT = `${BERTH_BROWSER}/callback`;

export const target = new URL(BERTH_TARGET);

// What the SDKs call an OAuthClientProvider: it keeps what it is given, in memory.
export class Person {
    asked = 0;
    kept = {};

    constructor(name, by, scope) {
        Object.assign(this, { name, scope });
        if (by === 'document') this.clientMetadataUrl = `${BERTH_DOCUMENTS}/${name}.json`;
    }

    get redirectUrl() {
        return REDIRECT;
    }

    get clientMetadata() {
        return {
            client_name: this.name,
            redirect_uris: [REDIRECT],
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            token_endpoint_auth_method: 'none',
            ...(this.scope && { scope: this.scope }),
        };
    }

    state() {
        return (this.kept.state = crypto.randomUUID());
    }

    clientInformation() {
        return this.kept.client;
    }

    saveClientInformation(client) {
        this.kept.client = client;
    }

    tokens() {
        return this.kept.tokens;
    }

    saveTokens({ refresh_token, ...tokens }) {
        // Who has no refresh token must ask the person for more: this SDK would refresh, which gives no more.
        this.kept.tokens = this.forgetful ? tokens : { refresh_token, ...tokens };
    }

    invalidateCredentials(what) {
        if (what === 'all' || what === 'tokens') delete this.kept.tokens;
        if (what === 'all' || what === 'client') delete this.kept.client;
    }

    redirectToAuthorization(url) {
        this.asked += 1;
        this.kept.url = url;
    }

    saveCodeVerifier(verifier) {
        this.kept.verifier = verifier;
    }

    codeVerifier() {
        return this.kept.verifier;
    }

    // Sends the person to the browser; the parameters of the redirect.
    async consent(options = {}) {
        const response = await fetch(`${BERTH_BROWSER}/open`, {
            method: 'POST',
            body: JSON.stringify({ url: this.kept.url, ...options }),
        });
        const { query, error } = await response.json();
        assert.ok(response.ok, error);
        const params = new URLSearchParams(query);
        assert.equal(params.get('state'), this.kept.state, 'the state comes back');
        assert.equal(params.get('iss'), new URL(BERTH_URL).origin, 'RFC 9207');
        return params;
    }
}

async function rest(method, path) {
    const response = await fetch(`${BERTH_URL}/api/v1${path}`, { method, headers: { authorization: `Bearer ${BERTH_TOKEN}` } });
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
    return response.status === 204 ? undefined : response.json();
}

// Takes back what the person has allowed this client.
export async function takeBack(person) {
    const { items } = await rest('GET', '/grants');
    const known = [person.kept.client?.client_id, person.clientMetadataUrl];
    const grants = items.filter(({ client_id, revoked_at }) => !revoked_at && known.includes(client_id));
    assert.ok(grants.length > 0, `there is a grant of ${person.name} in ${JSON.stringify(items)}`);
    for (const { id } of grants) await rest('DELETE', `/grants/${id}`);
}

export async function check(client, name, run) {
    let problem;
    try {
        await run();
    } catch (error) {
        problem = error.stack ?? String(error);
    }
    appendFileSync(BERTH_RESULTS, `${JSON.stringify({ client, check: name, problem })}\n`);
    console.log(`${problem ? 'FAILED' : 'passed'}  ${client}  ${name}${problem ? `\n${problem}` : ''}`);
    return !problem;
}

// `sdk.connect(person)` rejects with `sdk.Unauthorized` when the person is needed; `sdk.finish(person, params)` goes on.
export async function tell(label, sdk) {
    for (const by of ['registration', 'document']) {
        const name = `${label}-${by}`;
        const person = new Person(name, by);
        let connection;
        const passed = await check(label, `${by}: from 401 to a tool call`, async () => {
            const refused = await sdk.connect(person).then(
                () => undefined,
                (error) => error,
            );
            assert.ok(refused instanceof sdk.Unauthorized, `refused at first: ${refused}`);
            assert.equal(person.asked, 1);
            await sdk.finish(person, await person.consent());
            if (by === 'document') assert.equal(person.kept.url.searchParams.get('client_id'), person.clientMetadataUrl);
            connection = await sdk.connect(person);
            assert.equal(await connection.call(), 'simple');
        });
        if (!passed) continue;
        await check(label, `${by}: past the end of the access token`, async () => {
            const before = person.tokens();
            assert.ok(before.refresh_token && before.expires_in <= 10, JSON.stringify(Object.keys(before)));
            await sleep(before.expires_in * 1000 + 1500);
            assert.equal(await connection.call(), 'simple');
            const after = person.tokens();
            assert.notEqual(after.access_token, before.access_token);
            assert.notEqual(after.refresh_token, before.refresh_token, 'refresh tokens rotate');
            assert.equal(person.asked, 1, 'the person is not asked again');
        });
        await check(label, `${by}: until it is taken back`, async () => {
            await takeBack(person);
            await assert.rejects(connection.call());
            assert.equal(person.asked, 2, 'only the person can let it in again');
        });
        await connection.close().catch(() => undefined);
    }
    await check(label, 'denied: told so', async () => {
        const person = new Person(`${label}-denied`, 'registration');
        await assert.rejects(sdk.connect(person), sdk.Unauthorized);
        const params = await person.consent({ deny: true });
        assert.equal(params.get('error'), 'access_denied');
        assert.equal(params.get('code'), null);
    });
}
