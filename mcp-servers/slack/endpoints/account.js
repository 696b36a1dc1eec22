import { z } from 'zod';

import { READS } from '../../_shared/tools.js';

/** Whose token it is, as `auth.test` says. */
export async function accountOf({ call }) {
  const { url, team, team_id, user, user_id, bot_id } = await call('auth.test');
  return { workspace: team, workspace_id: team_id, url, user, user_id, is_bot: bot_id !== undefined };
}

export const account = [
  {
    name: 'auth_info',
    title: 'Who am I',
    description:
      'Tell which workspace and which user or bot this instance acts as. Also shows whether its token still works.',
    annotations: READS,
    input: z.object({}),
    output: z.object({
      workspace: z.string(),
      workspace_id: z.string(),
      url: z.string(),
      user: z.string(),
      user_id: z.string(),
      is_bot: z.boolean(),
    }),
    rest: 'GET /account',
    run: accountOf,
  },
];
