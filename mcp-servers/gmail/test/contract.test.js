import { testContract } from '../../_shared/testing/contract.js';
import { ENTRY, TOKENS, env, sdk, startGmail } from './support.js';

testContract({
  entry: ENTRY,
  sdk,
  startStandIn: startGmail,
  env,
  tokens: TOKENS,
  probe: {
    tool: 'get_profile',
    input: {},
    rest: '/profile',
    path: 'me/profile$',
    who: ({ address }) => address,
    name: (login) => `${login}@gmail.example`,
  },
});
