import { Problem } from './problem.js';

/** The whole body of a response; refuses one above `maxBytes` without reading on. */
export async function readBounded(response, maxBytes, service) {
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) {
      throw new Problem(502, `the answer of ${service} has more than ${maxBytes} bytes: ask for less`, {
        code: 'outside_too_large',
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
