import { z } from 'zod';

import { READS } from '../../_shared/tools.js';
import { malformed } from '../middleware/errors.js';

/** Whose mailbox it is. */
export async function profileOf(api) {
  const { emailAddress, messagesTotal, threadsTotal } = await api.get('profile');
  if (typeof emailAddress !== 'string') throw malformed('an address');
  return { address: emailAddress, messages: messagesTotal, threads: threadsTotal };
}

export const account = [
  {
    name: 'get_profile',
    title: 'Whose mailbox',
    description:
      'Tell the address of the account, and how many messages and threads it holds. Also shows whether the sign-in still works.',
    annotations: READS,
    input: z.object({}),
    output: z.object({ address: z.string(), messages: z.int().optional(), threads: z.int().optional() }),
    rest: 'GET /profile',
    run: profileOf,
  },
];
