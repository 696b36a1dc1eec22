// The methods of the Web API that the service uses, as https://docs.slack.dev/reference/methods has them.
import { fromCursor, pageOf, toCursor } from '../cursors.mjs';

/** A refusal as Slack gives it: status 200 and `{ok: false, error}`. */
class Refusal extends Error {}

const refuse = (error) => {
  throw new Refusal(error);
};
const isTrue = (value) => value === true || value === 'true';
const listed = (value) => (typeof value === 'string' ? JSON.parse(value) : value);

function paged(items, name, { cursor, limit }, most) {
  const offset = fromCursor(cursor) ?? refuse('invalid_cursor');
  const { page, next } = pageOf(items, offset, Math.min(Number(limit) || 100, most));
  return { [name]: page, response_metadata: { next_cursor: toCursor(next) } };
}

const channelOf = (workspace, { channel }) => workspace.channel(channel) ?? refuse('channel_not_found');
const messageOf = (workspace, { channel, ts, timestamp }) => {
  channelOf(workspace, { channel });
  return workspace.message(channel, ts ?? timestamp) ?? refuse('message_not_found');
};
const within =
  ({ oldest, latest, inclusive }) =>
  ({ ts }) => {
    const [at, from, to] = [Number(ts), Number(oldest ?? 0), Number(latest ?? Infinity)];
    return isTrue(inclusive) ? at >= from && at <= to : at > from && at < to;
  };

const METHODS = {
  'auth.test': (w, _, { token }) => ({
    url: `https://${w.team.domain}.slack.com/`,
    team: w.team.name,
    team_id: w.team.id,
    user: w.me.name,
    user_id: w.me.id,
    ...(token.startsWith('xoxb-') && { bot_id: `B${w.account.toUpperCase()}` }),
    is_enterprise_install: false,
  }),
  'conversations.list': (w, input) => {
    const types = (input.types ?? 'public_channel').split(',');
    const typeOf = ({ is_im, is_private }) => (is_im ? 'im' : is_private ? 'private_channel' : 'public_channel');
    const wanted = (channel) =>
      types.includes(typeOf(channel)) && !(isTrue(input.exclude_archived) && channel.is_archived);
    return paged(w.channels.filter(wanted), 'channels', input, 1000);
  },
  'conversations.info': (w, input) => ({ channel: channelOf(w, input) }),
  'conversations.history': (w, input) => {
    const answer = paged(w.history(channelOf(w, input).id).filter(within(input)), 'messages', input, 999);
    return { ...answer, has_more: answer.response_metadata.next_cursor !== '' };
  },
  'conversations.replies': (w, input) => {
    messageOf(w, input).ts ?? refuse('thread_not_found');
    const answer = paged(w.thread(input.channel, input.ts), 'messages', input, 1000);
    return { ...answer, has_more: answer.response_metadata.next_cursor !== '' };
  },
  'conversations.open': (w, { users }) => {
    const ids = users.split(',').map((id) => (w.user(id) ?? refuse('user_not_found')).id);
    const { channel, already_open = false } = w.openDirectMessage(ids.join(','));
    return { no_op: already_open, already_open, channel: { id: channel.id } };
  },
  'chat.postMessage': (w, input) => {
    if (channelOf(w, input).is_archived) refuse('is_archived');
    if (!input.text && !input.blocks) refuse('no_text');
    if (input.thread_ts && !w.message(input.channel, input.thread_ts)) refuse('thread_not_found');
    const message = w.post({ ...input, blocks: listed(input.blocks) });
    return { channel: input.channel, ts: message.ts, message };
  },
  'chat.update': (w, input) => {
    const message = messageOf(w, input);
    if (message.user !== w.me.id) refuse('cant_update_message');
    if (input.text !== undefined) message.text = input.text;
    if (input.blocks !== undefined) message.blocks = listed(input.blocks);
    message.edited = { user: w.me.id, ts: message.ts };
    return { channel: input.channel, ts: message.ts, text: message.text, message };
  },
  'chat.delete': (w, input) => {
    const messages = w.messages.get(channelOf(w, input).id);
    messages.splice(messages.indexOf(messageOf(w, input)), 1);
    return { channel: input.channel, ts: input.ts };
  },
  'reactions.add': (w, input) => {
    const message = messageOf(w, input);
    message.reactions ??= [];
    if (message.reactions.some(({ name }) => name === input.name)) refuse('already_reacted');
    message.reactions.push({ name: input.name, count: 1, users: [w.me.id] });
    return {};
  },
  'reactions.remove': (w, input) => {
    const message = messageOf(w, input);
    const at = (message.reactions ?? []).findIndex(({ name }) => name === input.name);
    if (at < 0) refuse('no_reaction');
    message.reactions.splice(at, 1);
    return {};
  },
  'users.list': (w, input) => paged(w.users, 'members', input, 1000),
  'users.info': (w, { user }) => ({ user: w.user(user) ?? refuse('user_not_found') }),
  'users.lookupByEmail': (w, { email }) => ({
    user: w.users.find(({ profile }) => profile.email === email) ?? refuse('users_not_found'),
  }),
  'search.messages': (w, { query, page = 1, count = 20 }, { token }) => {
    if (!token.startsWith('xoxp-')) refuse('not_allowed_token_type');
    const found = w.search(query ?? refuse('no_query'));
    const paging = pagingOf(found, page, count);
    return {
      query,
      messages: { total: found.length, paging, matches: pageOf(found, (page - 1) * count, Number(count)).page },
    };
  },
  'files.list': (w, { channel, user, page = 1, count = 100 }, { origin }) => {
    const found = w.files.filter(
      ({ info }) => (!channel || info.channels.includes(channel)) && (!user || info.user === user),
    );
    const { page: files } = pageOf(found, (page - 1) * count, Number(count));
    return { files: files.map((file) => infoOf(w, file, origin)), paging: pagingOf(found, page, count) };
  },
  'files.info': (w, { file }, { origin }) => {
    const found = w.files.find(({ info }) => info.id === file) ?? refuse('file_not_found');
    return { file: infoOf(w, found, origin) };
  },
};

const pagingOf = (items, page, count) => ({
  count: Number(count),
  total: items.length,
  page: Number(page),
  pages: Math.ceil(items.length / count),
});

function infoOf(workspace, { info }, origin) {
  const url = `${origin}/files-pri/${workspace.team.id}-${info.id}/${info.name}`;
  return { ...info, url_private: url, url_private_download: url };
}

const refused = (error) => ({ status: 200, body: { ok: false, error } });

/** The answer to a method; 200 for nearly everything, as at Slack. */
export function callMethod(name, workspace, input, request) {
  const method = METHODS[name];
  if (!method) return refused('unknown_method');
  try {
    return { status: 200, body: { ok: true, ...method(workspace, input, request) } };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return refused(error.message);
  }
}
