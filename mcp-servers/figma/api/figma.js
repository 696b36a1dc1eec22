// Figma's REST API; there is no client by Figma.
import { z } from 'zod';

import { createFetch } from '../../_shared/outside.js';
import { Problem } from '../../_shared/problem.js';
import { problemOf } from '../middleware/errors.js';

/** A path whose values are encoded: path`/v1/files/${key}`. */
export function path(texts, ...values) {
  return String.raw({ raw: texts }, ...values.map(encodeURIComponent));
}

/** `connect(context)`: Figma with the credential of one request, for that request. */
export function createConnect(settings) {
  const fetch = createFetch({ service: 'Figma', settings: settings.outside });

  return (context) => {
    const headers = { 'x-figma-token': context.token, accept: 'application/json' };

    async function ask(address, init, shape) {
      const response = await fetch(address, { ...init, headers: { ...headers, ...init.headers }, signal: context.signal });
      if (!response.ok) throw await problemOf(response);
      const answer = shape.safeParse(await response.json().catch(() => undefined));
      if (!answer.success) throw malformed(answer.error);
      return answer.data;
    }

    return {
      /** Asks; what is undefined in `query` is left out. `shape` is what is used of the answer. */
      get(where, query, shape) {
        const given = Object.entries(query).filter(([, value]) => value !== undefined);
        const search = new URLSearchParams(given).toString();
        return ask(`${settings.apiUrl}${where}${search && `?${search}`}`, { method: 'GET' }, shape);
      },
      post(where, body, shape) {
        const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
        return ask(`${settings.apiUrl}${where}`, init, shape);
      },
    };
  };
}

function malformed(error) {
  const reason = z.prettifyError(error).split('\n').slice(0, 4).join(' ');
  return new Problem(502, `Figma's answer had not the expected form: ${reason}`, { code: 'outside_malformed' });
}
