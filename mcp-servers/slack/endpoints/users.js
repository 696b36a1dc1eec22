import { z } from 'zod';

import { READS } from '../../_shared/tools.js';
import { part, parts } from '../utils/answers.js';
import { nextOf } from '../utils/pages.js';
import { next, paging, userForm } from '../utils/schemas.js';
import { userView } from '../utils/views.js';

export const users = [
  {
    name: 'list_users',
    title: 'List people',
    description: 'List the people and bots of the workspace, deleted accounts too, with id, names and time zone.',
    annotations: READS,
    input: z.object(paging(100, 200)),
    output: z.object({ users: z.array(userForm), next }),
    rest: 'GET /users',
    async run({ call }, input) {
      const answer = await call('users.list', input);
      return { users: parts(answer, 'members', userView), next: nextOf(answer) };
    },
  },
  {
    name: 'get_user',
    title: 'Get a person',
    description: 'Find one person or bot by id or by e-mail address.',
    annotations: READS,
    input: z.object({ user: z.string().min(1).max(320).describe('Id such as U0123456789, or an e-mail address') }),
    output: userForm,
    rest: 'GET /users/:user',
    async run({ call }, { user }) {
      const answer = user.includes('@')
        ? await call('users.lookupByEmail', { email: user })
        : await call('users.info', { user });
      return part(answer, 'user', userView);
    },
  },
];
