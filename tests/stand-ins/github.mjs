// A stand-in of GitHub's API: `emulate` keeps the state and the permissions; what it cannot do (tokens
// that come and go, failures on demand, a record of who asked) is done in front of it.
//
// Every user has a public and a private repository, `<login>/public` and `<login>/private`.
import { createFront, freePort, listen, readArguments } from './front.mjs';

const { createEmulator } = await importEmulate();
const { port, tokens } = readArguments('ghp_');

/** The emulator's own token of a user: those that clients use may change at any time. */
const innerToken = (login) => `inner_${login}`;
const logins = [...new Set(Object.values(tokens).map(({ login }) => login))];
const emulator = await createEmulator({
  service: 'github',
  port: await freePort(),
  seed: {
    tokens: Object.fromEntries(logins.map((login) => [innerToken(login), { login, scopes: ['repo', 'user'] }])),
    github: {
      users: logins.map((login) => ({ login, name: `Name of ${login}`, email: `${login}@example.com` })),
      repos: logins.flatMap((owner) => [
        { owner, name: 'public', description: `Public of ${owner}`, language: 'JavaScript' },
        { owner, name: 'private', description: `Private of ${owner}`, private: true },
      ]),
    },
  },
});

const docs = 'https://docs.github.com/rest';
const front = createFront(
  {
    tokenOf: ({ headers }) => /^(?:token|bearer) (.+)$/i.exec(headers.authorization ?? '')?.[1],
    refusal: (why) => ({
      status: 401,
      body: {
        message: why === 'missing' ? 'Requires authentication' : 'Bad credentials',
        documentation_url: docs,
        status: '401',
      },
    }),
    rateLimit: ({ retry_after: seconds, secondary = false }) => ({
      status: secondary ? 403 : 429,
      headers: { 'retry-after': String(seconds), 'x-ratelimit-remaining': '0' },
      body: { message: `You have exceeded a ${secondary ? 'secondary ' : ''}rate limit.`, documentation_url: docs },
    }),
    answer: forward,
  },
  tokens,
);
listen(front, port);

async function forward({ request, url, body, login }) {
  if (!logins.includes(login)) throw new Error(`${login} was not there at the start`);
  const headers = { accept: request.headers.accept ?? '*/*', authorization: `Bearer ${innerToken(login)}` };
  if (body.length > 0) headers['content-type'] = 'application/json';
  const inner = await fetch(emulator.url + url.pathname + url.search, {
    method: request.method,
    headers,
    body: body.length > 0 ? adapt(url, body) : undefined,
  });
  const answer = {
    status: inner.status,
    headers: { 'content-type': inner.headers.get('content-type') ?? 'application/json' },
  };
  const link = inner.headers.get('link');
  if (link) answer.headers.link = link.replaceAll(emulator.url, url.origin);
  return { ...answer, body: Buffer.from(await inner.arrayBuffer()) };
}

/** The emulator knows remarks of a review by their older `position` alone. */
function adapt(url, body) {
  if (!url.pathname.endsWith('/reviews')) return body;
  const review = JSON.parse(body);
  return JSON.stringify({ ...review, comments: review.comments?.map((remark) => ({ position: remark.line, ...remark })) });
}

/** Installed here, or as a development dependency of the service that it stands in for. */
async function importEmulate() {
  try {
    return await import('emulate');
  } catch {
    return import('../../mcp-servers/github/node_modules/emulate/dist/api.js');
  }
}
