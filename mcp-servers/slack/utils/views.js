// What tools give of Slack's objects: the fields that people ask for, under one name each.

const text = (value) => value || undefined;
const timeOf = (seconds) => (seconds ? new Date(Number(seconds) * 1000).toISOString() : undefined);

export function channelView(channel) {
  return {
    id: channel.id,
    name: text(channel.name),
    kind: kindOf(channel),
    is_archived: channel.is_archived ?? false,
    is_member: channel.is_member,
    topic: text(channel.topic?.value),
    purpose: text(channel.purpose?.value),
    members: channel.num_members,
    user: text(channel.user),
    created_at: timeOf(channel.created),
  };
}

function kindOf({ is_im, is_mpim, is_private }) {
  if (is_im) return 'direct';
  if (is_mpim) return 'group_direct';
  return is_private ? 'private' : 'public';
}

export function messageView(message) {
  return {
    ts: message.ts,
    at: timeOf(message.ts),
    user: text(message.user),
    bot_id: text(message.bot_id),
    subtype: text(message.subtype),
    text: message.text ?? '',
    thread_ts: message.thread_ts,
    reply_count: message.reply_count,
    is_edited: message.edited ? true : undefined,
    reactions: message.reactions?.map(({ name, count, users }) => ({ name, count, users })),
    files: message.files?.map(({ id, name }) => ({ id, name: name ?? '' })),
    blocks: message.blocks,
  };
}

export function userView({ profile = {}, ...user }) {
  return {
    id: user.id,
    name: user.name,
    real_name: text(user.real_name ?? profile.real_name),
    display_name: text(profile.display_name),
    email: text(profile.email),
    title: text(profile.title),
    status: text(profile.status_text),
    time_zone: text(user.tz),
    is_bot: user.is_bot ?? false,
    is_admin: user.is_admin ?? false,
    is_deleted: user.deleted ?? false,
  };
}

export function fileView(file) {
  return {
    id: file.id,
    name: file.name ?? '',
    title: text(file.title),
    mime_type: file.mimetype || 'application/octet-stream',
    size: file.size ?? 0,
    user: text(file.user),
    channels: [...(file.channels ?? []), ...(file.groups ?? []), ...(file.ims ?? [])],
    created_at: timeOf(file.created),
    permalink: text(file.permalink),
  };
}
