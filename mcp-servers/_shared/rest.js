// REST beside MCP: a tool's `rest` is its method and path below `/api`. Values come from the path, the
// query and a JSON body, in this order of precedence, and are checked as the tool's arguments.
import { readJson, sendJson } from './http.js';
import { Problem } from './problem.js';
import { runTool } from './tools.js';

/** `handle(request, response, path, query, context)` for paths below `/api`. */
export function createRest(service, toolbox, settings) {
  const routes = toolbox.list.flatMap(({ name, inputSchema }) => {
    const tool = toolbox.byName.get(name);
    return tool.rest ? [routeOf(tool, inputSchema)] : [];
  });

  return async function handle(request, response, path, query, context) {
    const matching = routes.filter((route) => route.pattern.test(path));
    if (matching.length === 0) throw new Problem(404, `there is nothing at /api${path}`, { code: 'not_found' });
    const route = matching.find(({ method }) => method === request.method);
    if (!route) {
      const allowed = matching.map(({ method }) => method).join(', ');
      throw new Problem(405, `${request.method} is not possible here, only ${allowed}`, { code: 'method_not_allowed' });
    }
    const body = request.method === 'GET' ? {} : ((await readJson(request, settings.maxBodyBytes)) ?? {});
    const input = { ...body, ...fromTexts(query, route.types), ...fromTexts(pathValues(route, path), route.types) };
    sendJson(response, 200, await runTool(route.tool, input, context, service.connect));
  };
}

/** `GET /repositories/:owner/:repo/files/*path`: `:name` is one segment, `*name` the rest. */
function routeOf(tool, inputSchema) {
  const [method, path] = tool.rest.split(' ');
  const pattern = path
    .replace(/[.]/g, '\\.')
    .replace(/:(\w+)/g, '(?<$1>[^/]+)')
    .replace(/\*(\w+)/g, '(?<$1>.*)');
  return { method, pattern: new RegExp(`^${pattern}$`), tool, types: inputSchema.properties ?? {} };
}

function pathValues(route, path) {
  try {
    return Object.entries(route.pattern.exec(path).groups ?? {}).map(([name, value]) => [name, decodeURIComponent(value)]);
  } catch {
    throw new Problem(400, 'the path is not percent-encoded as it must be');
  }
}

/** Texts as the types that the tool's schema names. What does not fit stays a text and is refused by the schema. */
function fromTexts(entries, types) {
  const values = {};
  for (const [name, text] of entries) {
    const type = types[name]?.type;
    if (type === 'integer' || type === 'number')
      values[name] = text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
    else if (type === 'boolean') values[name] = { true: true, false: false }[text] ?? text;
    else if (type === 'array') values[name] = [...(values[name] ?? []), ...text.split(',')];
    else values[name] = text;
  }
  return values;
}
