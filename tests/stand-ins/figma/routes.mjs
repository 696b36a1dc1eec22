// Figma's paths and what they answer, after @figma/rest-api-spec.
import { NOW, accountOf, cut, find } from './account.mjs';

const notFound = { status: 404, body: { status: 404, err: 'Not found' } };
const ok = (body) => ({ status: 200, body });

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
function getPublished({ account, file, more: kind, query }) {
  const key = file?.key;
  const size = Number(query.get('page_size') ?? 30);
  const start = Number(query.get('after') ?? 0);
  const all = Array.from({ length: key ? 2 : 5 }, (_, n) => published(kind, key ?? account.ids.file(0), n + 1));
  if (key) return ok({ status: 200, error: false, meta: { [kind]: all } });
  const cursor = start + size < all.length ? { after: start + size } : {};
  return ok({ status: 200, error: false, meta: { [kind]: all.slice(start, start + size), cursor } });
}

function getVersions({ account, url }) {
  const all = [5, 4, 3, 2, 1].map((id) => ({
    id: String(id),
    created_at: NOW,
    label: `v${id}`,
    description: null,
    user: account.user,
  }));
  const before = Number(url.searchParams.get('before') ?? Infinity);
  const rest = all.filter(({ id }) => Number(id) < before);
  const versions = rest.slice(0, Number(url.searchParams.get('page_size') ?? 30));
  const last = versions.at(-1)?.id;
  const next = versions.length < rest.length ? `${url.origin}${url.pathname}?before=${last}` : undefined;
  return ok({ versions, pagination: next ? { next_page: next } : {} });
}

function postComment({ account, file, body }) {
  const { message, comment_id: parent, client_meta: meta } = JSON.parse(body);
  if (!message) return { status: 400, body: { status: 400, err: 'Missing message' } };
  if (parent && !file.comments.some(({ id }) => id === parent))
    return { status: 404, body: { status: 404, err: 'Comment not found' } };
  const id = String(file.comments.length + 1);
  const comment = {
    id,
    file_key: file.key,
    parent_id: parent ?? '',
    user: account.user,
    created_at: NOW,
    resolved_at: null,
    message,
    client_meta: meta ?? null,
  };
  file.comments.push(comment);
  return ok(comment);
}

const getMe = ({ account }) => ok({ ...account.user, email: `${account.login}@example.com` });

function getProjects({ account }) {
  const projects = [...account.files.values()].map(({ project }, n) => ({ id: project, name: `Project ${n}` }));
  return ok({ name: `Team of ${account.login}`, projects });
}

function getProjectFiles({ account, id }) {
  const files = [...account.files.values()].filter(({ project }) => project === id);
  const listed = ({ key, name }) => ({ key, name, thumbnail_url: `https://img.example/${key}`, last_modified: NOW });
  return ok({ name: 'Project', files: files.map(listed) });
}

const depthOf = (query) => Number(query.get('depth') ?? 99);

function getFile({ file, query }) {
  const about = { name: file.name, role: 'owner', lastModified: NOW, editorType: 'figma', schemaVersion: 0 };
  const components = { '1:2': { key: 'c1', name: 'Button', description: '' } };
  const document = cut(file.document, depthOf(query));
  return ok({ ...about, version: query.get('version') ?? '5', document, components, styles: {} });
}

function getNodes({ file, query }) {
  const nodes = {};
  for (const id of query.get('ids').split(',')) {
    const node = find(file.document, id);
    nodes[id] = node ? { document: cut(node, depthOf(query)), components: {}, styles: {} } : null;
  }
  return ok({ name: file.name, lastModified: NOW, version: '5', nodes });
}

/** What has no place cannot be rendered. */
function getImages({ file, query }) {
  const images = {};
  for (const id of query.get('ids').split(',')) {
    const url = `https://img.example/${file.key}/${id}@${query.get('scale')}.${query.get('format')}`;
    images[id] = find(file.document, id)?.absoluteBoundingBox ? url : null;
  }
  return ok({ err: null, images });
}

function getImageFills({ file }) {
  return ok({ error: false, status: 200, meta: { images: { ref1: `https://img.example/${file.key}/ref1` } } });
}

const getComments = ({ file }) => ok({ comments: file.comments });

const ROUTES = [
  ['GET', /^\/v1\/me$/, getMe],
  ['GET', /^\/v1\/teams\/(\d+)\/projects$/, getProjects],
  ['GET', /^\/v1\/projects\/(\d+)\/files$/, getProjectFiles],
  ['GET', /^\/v1\/(?:files|teams)\/(\w+)\/(components|styles)$/, getPublished],
  ['GET', /^\/v1\/files\/(\w+)$/, getFile],
  ['GET', /^\/v1\/files\/(\w+)\/nodes$/, getNodes],
  ['GET', /^\/v1\/files\/(\w+)\/images$/, getImageFills],
  ['GET', /^\/v1\/files\/(\w+)\/versions$/, getVersions],
  ['GET', /^\/v1\/files\/(\w+)\/comments$/, getComments],
  ['POST', /^\/v1\/files\/(\w+)\/comments$/, postComment],
  ['GET', /^\/v1\/images\/(\w+)$/, getImages],
];

/** Whether the user has what the path names. */
function mayUse(account, pathname, id, file) {
  if (pathname.startsWith('/v1/teams/')) return id === account.ids.team;
  if (pathname.startsWith('/v1/projects/')) return [...account.files.values()].some(({ project }) => project === id);
  return id === undefined || file !== undefined;
}

/** Who is not the owner of a file, a project or a team is told that it is not there. */
export async function answer({ request, url, body, login }) {
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
