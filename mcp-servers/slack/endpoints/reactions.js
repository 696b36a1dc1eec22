import { z } from 'zod';

import { SETS } from '../../_shared/tools.js';
import { channel, messageTs } from '../utils/schemas.js';

const name = z
  .string()
  .regex(/^:?[\p{L}\p{N}_+'-]+(::skin-tone-[2-6])?:?$/u, 'must be the name of an emoji, such as thumbsup')
  .transform((value) => value.replace(/^:|:$/g, ''))
  .describe('Name of the emoji, such as thumbsup');
const output = z.object({ channel: z.string(), ts: z.string(), name: z.string() });

const react =
  (method) =>
  async ({ call }, input) => {
    await call(method, { channel: input.channel, timestamp: input.ts, name: input.name });
    return input;
  };

export const reactions = [
  {
    name: 'add_reaction',
    title: 'Add a reaction',
    description: 'React to a message with an emoji.',
    annotations: { ...SETS, destructiveHint: false },
    input: z.object({ channel, ts: messageTs, name }),
    output,
    rest: 'POST /channels/:channel/messages/:ts/reactions',
    run: react('reactions.add'),
  },
  {
    name: 'remove_reaction',
    title: 'Remove a reaction',
    description: 'Take back a reaction that this instance gave to a message.',
    annotations: SETS,
    input: z.object({ channel, ts: messageTs, name }),
    output,
    rest: 'DELETE /channels/:channel/messages/:ts/reactions/:name',
    run: react('reactions.remove'),
  },
];
