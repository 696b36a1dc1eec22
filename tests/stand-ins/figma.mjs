// A stand-in of Figma's REST API, after its published description (@figma/rest-api-spec).
//
// Every user has a team of 12 projects with a file each. Who is not the owner of a file, a project or a
// team is told that it is not there. `figmaIds(login)` says what theirs are called.
import { createFront, listen, readArguments } from './front.mjs';

const FILES = 12;
const NOW = '2026-11-01T12:00:00Z';

/** The ids of what a user has. Those of teams and projects are digits, as Figma's are. */
export function figmaIds(login) {
  const digits = Buffer.from(login).toString('hex').replace(/[a-f]/g, (letter) => letter.charCodeAt(0));
  return { team: `1${digits}`, project: (n) => `2${digits}${100 + n}`, file: (n) => `${login}File${n}` };
}

const solid = (r, g, b) => [{ type: 'SOLID', color: { r, g, b, a: 1 } }];
const box = { x: 0, y: 0, width: 100, height: 40 };

/** The tree of every file; its first text names the owner. */
function documentOf(login) {
  const label = {
    id: '1:3',
    name: 'Label',
    type: 'TEXT',
    characters: `Hello ${login}`,
    style: { fontFamily: 'Inter', fontWeight: 400, fontSize: 12 },
    fills: solid(1, 0, 0),
    absoluteBoundingBox: box,
    strokes: [],
  };
  const button = { id: '1:2', name: 'Button', type: 'FRAME', layoutMode: 'HORIZONTAL', absoluteBoundingBox: box, children: [label] };
  const hidden = { id: '1:4', name: 'Hidden', type: 'RECTANGLE', visible: false, absoluteBoundingBox: null, fills: [{ type: 'IMAGE', imageRef: 'ref1' }] };
  const page = { id: '0:1', name: 'Page 1', type: 'CANVAS', children: [button, hidden] };
  const second = { id: '0:2', name: 'Page 2', type: 'CANVAS', children: [] };
  return { id: '0:0', name: 'Document', type: 'DOCUMENT', children: [page, second] };
}

const accounts = new Map();

function accountOf(login) {
  if (!accounts.has(login)) accounts.set(login, createAccount(login));
  return accounts.get(login);
}

function createAccount(login) {
  const ids = figmaIds(login);
  const user = { id: `${Buffer.from(login).toString('hex')}`, handle: login, img_url: `https://img.example/${login}` };
  const files = new Map();
  for (let n = 0; n < FILES; n += 1) {
    const key = ids.file(n);
    const comments = [{ id: '1', file_key: key, parent_id: '', user, created_at: NOW, resolved_at: NOW, message: 'Old', client_meta: null }];
    files.set(key, { key, name: `File ${n} of ${login}`, project: ids.project(n), comments, document: documentOf(login) });
  }
  return { login, ids, user, files };
}

const notFound = { status: 404, body: { status: 404, err: 'Not found' } };
const ok = (body) => ({ status: 200, body });

/** The tree down to `depth` levels below the node. */
function cut(node, depth) {
  const { children, ...rest } = node;
  if (!children) return rest;
  return { ...rest, children: depth > 0 ? children.map((child) => cut(child, depth - 1)) : [] };
}

function find(node, id) {
  if (node.id === id) return node;
  for (const child of node.children ?? []) {
    const found = find(child, id);
    if (found) return found;
  }
  return undefined;
}

const published = (kind, key, n) => ({
  key: `${kind}${n}`,
  file_key: key,
  node_id: `2:${n}`,
  name: `${kind} ${n}`,
  description: '',
  thumbnail_url: null,
  created_at: NOW,
  updated_at: NOW,
  ...(kind === 'styles' ? { style_type: 'FILL' } : {}),
});

/** Components or styles: two in a file, five in a team. */
function publishedOf(kind, account, key, query) {
  const size = Number(query.get('page_size') ?? 30);
  const start = Number(query.get('after') ?? 0);
  const all = Array.from({ length: key ? 2 : 5 }, (_, n) => published(kind, key ?? account.ids.file(0), n + 1));
  if (key) return ok({ status: 200, error: false, meta: { [kind]: all } });
  const cursor = start + size < all.length ? { after: start + size } : {};
  return ok({ status: 200, error: false, meta: { [kind]: all.slice(start, start + size), cursor } });
}

function versionsOf(account, url) {
  const all = [5, 4, 3, 2, 1].map((id) => ({ id: String(id), created_at: NOW, label: `v${id}`, description: null, user: account.user }));
  const before = Number(url.searchParams.get('before') ?? Infinity);
  const rest = all.filter(({ id }) => Number(id) < before);
  const versions = rest.slice(0, Number(url.searchParams.get('page_size') ?? 30));
  const last = versions.at(-1)?.id;
  const next = versions.length < rest.length ? `${url.origin}${url.pathname}?before=${last}` : undefined;
  return ok({ versions, pagination: next ? { next_page: next } : {} });
}

function addComment(account, file, { message, comment_id: parent, client_meta: meta }) {
  if (!message) return { status: 400, body: { status: 400, err: 'Missing message' } };
  if (parent && !file.comments.some(({ id }) => id === parent)) return { status: 404, body: { status: 404, err: 'Comment not found' } };
  const id = String(file.comments.length + 1);
  const comment = { id, file_key: file.key, parent_id: parent ?? '', user: account.user, created_at: NOW, resolved_at: null, message, client_meta: meta ?? null };
  file.comments.push(comment);
  return ok(comment);
}

const ROUTES = [
  ['GET', /^\/v1\/me$/, ({ account }) => ok({ ...account.user, email: `${account.login}@example.com` })],
  ['GET', /^\/v1\/teams\/(\d+)\/projects$/, ({ account }) =>
    ok({ name: `Team of ${account.login}`, projects: [...account.files.values()].map(({ project }, n) => ({ id: project, name: `Project ${n}` })) })],
  ['GET', /^\/v1\/projects\/(\d+)\/files$/, ({ account, id }) => {
    const files = [...account.files.values()].filter(({ project }) => project === id);
    return ok({ name: 'Project', files: files.map(({ key, name }) => ({ key, name, thumbnail_url: `https://img.example/${key}`, last_modified: NOW })) });
  }],
  ['GET', /^\/v1\/(?:files|teams)\/(\w+)\/(components|styles)$/, ({ account, file, more, query }) => publishedOf(more, account, file?.key, query)],
  ['GET', /^\/v1\/files\/(\w+)$/, ({ file, query }) =>
    ok({ name: file.name, role: 'owner', lastModified: NOW, editorType: 'figma', version: query.get('version') ?? '5', document: cut(file.document, Number(query.get('depth') ?? 99)), components: { '1:2': { key: 'c1', name: 'Button', description: '' } }, styles: {}, schemaVersion: 0 })],
  ['GET', /^\/v1\/files\/(\w+)\/nodes$/, ({ file, query }) => {
    const nodes = query.get('ids').split(',').map((id) => [id, find(file.document, id)]);
    const depth = Number(query.get('depth') ?? 99);
    const entries = nodes.map(([id, node]) => [id, node ? { document: cut(node, depth), components: {}, styles: {} } : null]);
    return ok({ name: file.name, lastModified: NOW, version: '5', nodes: Object.fromEntries(entries) });
  }],
  ['GET', /^\/v1\/images\/(\w+)$/, ({ file, query }) => {
    const ending = `${query.get('scale')}.${query.get('format')}`;
    const images = query.get('ids').split(',').map((id) => [id, find(file.document, id)?.absoluteBoundingBox ? `https://img.example/${file.key}/${id}@${ending}` : null]);
    return ok({ err: null, images: Object.fromEntries(images) });
  }],
  ['GET', /^\/v1\/files\/(\w+)\/images$/, ({ file }) => ok({ error: false, status: 200, meta: { images: { ref1: `https://img.example/${file.key}/ref1` } } })],
  ['GET', /^\/v1\/files\/(\w+)\/versions$/, ({ account, url }) => versionsOf(account, url)],
  ['GET', /^\/v1\/files\/(\w+)\/comments$/, ({ file }) => ok({ comments: file.comments })],
  ['POST', /^\/v1\/files\/(\w+)\/comments$/, ({ account, file, body }) => addComment(account, file, JSON.parse(body))],
];

/** Whether the user has what the path names. */
function mayUse(account, pathname, id, file) {
  if (pathname.startsWith('/v1/teams/')) return id === account.ids.team;
  if (pathname.startsWith('/v1/projects/')) return [...account.files.values()].some(({ project }) => project === id);
  return id === undefined || file !== undefined;
}

async function answer({ request, url, body, login }) {
  const account = accountOf(login);
  for (const [method, pattern, work] of ROUTES) {
    const [matched, id, more] = pattern.exec(url.pathname) ?? [];
    if (!matched || method !== request.method) continue;
    const file = account.files.get(id);
    if (!mayUse(account, url.pathname, id, file)) return notFound;
    return work({ account, file, id, more, query: url.searchParams, url, body });
  }
  return notFound;
}

const WORDS = { missing: 'Token missing', unknown: 'Invalid token', expired: 'Token expired', revoked: 'Invalid token' };

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const { port, tokens } = readArguments('figd_');
  const vendor = {
    tokenOf: ({ headers }) => headers['x-figma-token'],
    refusal: (why) => ({ status: 403, body: { status: 403, err: WORDS[why] } }),
    rateLimit: ({ retry_after: seconds }) => ({
      status: 429,
      headers: { 'retry-after': String(seconds), 'x-figma-plan-tier': 'starter', 'x-figma-rate-limit-type': 'low' },
      body: { status: 429, err: 'Rate limit exceeded' },
    }),
    answer,
  };
  listen(createFront(vendor, tokens), port);
}
