// The forms of what tools give, and arguments that several of them take.
import { z } from 'zod';

const time = z.string().describe('Time, ISO 8601');
const ts = z.string().describe("The message's id in its channel, such as 1750000001.000100");

export const channel = z
  .string()
  .min(1)
  .max(100)
  .describe('Id of the channel or conversation, such as C0123456789; list_channels gives it');
export const messageTs = z
  .string()
  .regex(/^\d+\.\d+$/, 'must be the ts of a message, such as 1750000001.000100')
  .describe("The message's ts, as read_channel_history gives it");
export const next = z.string().optional().describe('Give it as `cursor` for the next page; absent on the last one');

/** Arguments of a list. */
export const paging = (fallback, most) => ({
  limit: z.int().min(1).max(most).default(fallback).describe(`Results per page, at most ${most}`),
  cursor: z.string().max(500).optional().describe('`next` of the page before; absent for the first'),
});

export const channelForm = z.object({
  id: z.string(),
  name: z.string().optional(),
  kind: z.enum(['public', 'private', 'direct', 'group_direct']),
  is_archived: z.boolean(),
  is_member: z.boolean().optional().describe('Whether the token’s own user or bot is in it'),
  topic: z.string().optional(),
  purpose: z.string().optional(),
  members: z.int().optional(),
  user: z.string().optional().describe('The other side of a direct conversation'),
  created_at: time.optional(),
});

export const messageForm = z.object({
  ts,
  at: time.optional(),
  user: z.string().optional(),
  bot_id: z.string().optional(),
  subtype: z.string().optional(),
  text: z.string(),
  thread_ts: z.string().optional().describe('ts of the message that the thread hangs on'),
  reply_count: z.int().optional(),
  is_edited: z.boolean().optional(),
  reactions: z.array(z.object({ name: z.string(), count: z.int(), users: z.array(z.string()).optional() })).optional(),
  files: z.array(z.object({ id: z.string(), name: z.string() })).optional(),
  blocks: z
    .array(z.looseObject({ type: z.string() }))
    .optional()
    .describe('Block Kit blocks'),
});

export const sentForm = z.object({ channel: z.string(), ts });

export const userForm = z.object({
  id: z.string(),
  name: z.string(),
  real_name: z.string().optional(),
  display_name: z.string().optional(),
  email: z.string().optional().describe('Only with the scope users:read.email'),
  title: z.string().optional(),
  status: z.string().optional(),
  time_zone: z.string().optional(),
  is_bot: z.boolean(),
  is_admin: z.boolean(),
  is_deleted: z.boolean(),
});

export const fileForm = z.object({
  id: z.string(),
  name: z.string(),
  title: z.string().optional(),
  mime_type: z.string(),
  size: z.int().describe('Bytes'),
  user: z.string().optional(),
  channels: z.array(z.string()),
  created_at: time.optional(),
  permalink: z.string().optional(),
});
