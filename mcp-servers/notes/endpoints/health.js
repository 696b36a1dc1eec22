import { sendJson } from '../middleware/answer.js';

/** `GET /health`: 200 while the service can answer at all. */
export async function health(request, response, notebook) {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    sendJson(response, 405, { error: 'only GET' });
    return;
  }
  sendJson(response, 200, { status: 'ok', notes: notebook.size });
}
