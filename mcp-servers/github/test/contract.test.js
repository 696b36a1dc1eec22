import { testContract } from '../../_shared/testing/contract.js';
import { ENTRY, TOKENS, env, sdk, startGitHub } from './support.js';

testContract({
  entry: ENTRY,
  sdk,
  startStandIn: startGitHub,
  env,
  tokens: TOKENS,
  probe: { tool: 'get_me', input: {}, rest: '/me', path: '^/user$', who: ({ login }) => login, name: (login) => login },
});
