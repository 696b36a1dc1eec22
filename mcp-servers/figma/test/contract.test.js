import { testContract } from '../../_shared/testing/contract.js';
import { ENTRY, TOKENS, env, sdk, startFigma } from './support.js';

testContract({
  entry: ENTRY,
  sdk,
  startStandIn: startFigma,
  env,
  tokens: TOKENS,
  probe: { tool: 'get_me', input: {}, rest: '/me', path: '^/v1/me$', who: ({ handle }) => handle, name: (login) => login },
});
