import { sendJson } from '../middleware/answer.js';
import { readJson } from '../middleware/body.js';
import { Problem } from '../utils/problem.js';

/**
 * `GET /api/notes[?q=words]`, `POST /api/notes {title, text}`, `GET|DELETE /api/notes/{id}`: the same
 * notebook for programs without an MCP client.
 */
export async function notes(request, response, { notebook, id, query, settings }) {
  const action = `${request.method} ${id === undefined ? 'all' : 'one'}`;
  switch (action) {
    case 'GET all':
      return sendJson(response, 200, { items: query === null ? notebook.list() : notebook.search(query) });
    case 'POST all': {
      const body = await readJson(request, settings.maxBodyBytes);
      return sendJson(response, 201, await notebook.add(body ?? {}));
    }
    case 'GET one':
      return sendJson(response, 200, notebook.read(id));
    case 'DELETE one':
      await notebook.delete(id);
      return sendJson(response, 204);
    default:
      throw new Problem(405, `${request.method} is not possible here`);
  }
}
