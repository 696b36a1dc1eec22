// A stand-in of Figma's REST API. `node figma.mjs --token figd_1=alice`; FIGMA_API_URL is its URL.
import { answer } from './figma/routes.mjs';
import { createFront, listen, readArguments } from './front.mjs';

const WORDS = { missing: 'Token missing', unknown: 'Invalid token', expired: 'Token expired', revoked: 'Invalid token' };

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
