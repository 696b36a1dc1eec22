import { Problem } from '../utils/problem.js';

/** The request's body as JSON; undefined when it is empty. Refuses one above `maxBytes`. */
export async function readJson(request, maxBytes) {
  const tooLarge = () => new Problem(413, `the body must have at most ${maxBytes} bytes`);
  if (Number(request.headers['content-length']) > maxBytes) throw tooLarge();
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  if (size === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Problem(400, 'the body is not JSON');
  }
}
