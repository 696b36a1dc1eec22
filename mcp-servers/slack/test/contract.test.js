import { testContract } from '../../_shared/testing/contract.js';
import { ENTRY, TOKENS, env, sdk, startSlack } from './support.js';

testContract({
  entry: ENTRY,
  sdk,
  startStandIn: startSlack,
  env,
  tokens: TOKENS,
  probe: {
    tool: 'auth_info',
    input: {},
    rest: '/account',
    path: 'auth\\.test$',
    who: ({ workspace }) => workspace,
    name: (login) => `Team ${login}`,
  },
});
