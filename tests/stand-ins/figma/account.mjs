// What a user has at Figma: a team of 12 projects with a file each.

const FILES = 12;
export const NOW = '2026-11-01T12:00:00Z';

/** The ids of what a user has. Those of teams and projects are digits, as Figma's are. */
export function figmaIds(login) {
  const digits = Buffer.from(login)
    .toString('hex')
    .replace(/[a-f]/g, (letter) => letter.charCodeAt(0));
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
  const button = {
    id: '1:2',
    name: 'Button',
    type: 'FRAME',
    layoutMode: 'HORIZONTAL',
    absoluteBoundingBox: box,
    children: [label],
  };
  const hidden = {
    id: '1:4',
    name: 'Hidden',
    type: 'RECTANGLE',
    visible: false,
    absoluteBoundingBox: null,
    fills: [{ type: 'IMAGE', imageRef: 'ref1' }],
  };
  const page = { id: '0:1', name: 'Page 1', type: 'CANVAS', children: [button, hidden] };
  const second = { id: '0:2', name: 'Page 2', type: 'CANVAS', children: [] };
  return { id: '0:0', name: 'Document', type: 'DOCUMENT', children: [page, second] };
}

const accounts = new Map();

/** Made when it is first asked for. */
export function accountOf(login) {
  if (!accounts.has(login)) accounts.set(login, createAccount(login));
  return accounts.get(login);
}

function createAccount(login) {
  const ids = figmaIds(login);
  const user = { id: `${Buffer.from(login).toString('hex')}`, handle: login, img_url: `https://img.example/${login}` };
  const files = new Map();
  for (let n = 0; n < FILES; n += 1) {
    const key = ids.file(n);
    const comments = [
      { id: '1', file_key: key, parent_id: '', user, created_at: NOW, resolved_at: NOW, message: 'Old', client_meta: null },
    ];
    files.set(key, { key, name: `File ${n} of ${login}`, project: ids.project(n), comments, document: documentOf(login) });
  }
  return { login, ids, user, files };
}

/** The tree down to `depth` levels below the node. */
export function cut(node, depth) {
  const { children, ...rest } = node;
  if (!children) return rest;
  return { ...rest, children: depth > 0 ? children.map((child) => cut(child, depth - 1)) : [] };
}

/** The node with the id, at any depth. */
export function find(node, id) {
  if (node.id === id) return node;
  for (const child of node.children ?? []) {
    const found = find(child, id);
    if (found) return found;
  }
  return undefined;
}
