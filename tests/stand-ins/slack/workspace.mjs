// The workspace of one account: its people, channels, messages and files. Every name tells whose it is.

const START = 1_750_000_000;
/** One for all workspaces. */
const HUGE = Buffer.alloc(6 * 1024 * 1024, 7);

export class Workspace {
  #clock = START;
  #directMessages = 0;

  constructor(account) {
    this.account = account;
    this.team = { id: idOf('T', account), name: `Team ${account}`, domain: account };
    this.users = ['bot', 'owner', ...Array.from({ length: 10 }, (_, n) => `member${n}`)].map((role, n) =>
      user(account, role, n),
    );
    this.me = this.users[0];
    this.channels = [];
    this.messages = new Map();
    this.files = files(account);
    for (const [n, name] of ['general', 'random', ...Array.from({ length: 8 }, (_, i) => `project-${i}`)].entries()) {
      this.addChannel({ id: `C${account.toUpperCase()}${n}`, name });
    }
    this.addChannel({ id: `G${account.toUpperCase()}`, name: `private-of-${account}`, is_private: true });
    this.addChannel({ id: `C${account.toUpperCase()}OLD`, name: 'old', is_archived: true });
    const general = this.channels[0].id;
    for (let n = 0; n < 12; n += 1) this.post({ channel: general, text: `message ${n} of ${account}` });
    const parent = this.post({ channel: general, text: `question of ${account}` });
    for (let n = 0; n < 5; n += 1) this.post({ channel: general, text: `answer ${n}`, thread_ts: parent.ts });
  }

  addChannel({ id, name, is_private = false, is_archived = false, is_im = false, user }) {
    const of = is_im
      ? { user, is_im, is_open: true }
      : { name, is_channel: !is_private, is_group: is_private, is_member: true, num_members: 3 };
    const about = (text) => ({ value: text, creator: this.me.id, last_set: START });
    const channel = {
      id,
      is_private,
      is_archived,
      created: START,
      creator: this.me.id,
      ...of,
      topic: about(`topic of ${this.account}`),
      purpose: about(''),
    };
    this.channels.push(channel);
    this.messages.set(id, []);
    return channel;
  }

  channel(id) {
    return this.channels.find((channel) => channel.id === id);
  }

  user(id) {
    return this.users.find((user) => user.id === id);
  }

  openDirectMessage(user) {
    const open = this.channels.find((channel) => channel.is_im && channel.user === user);
    if (open) return { channel: open, already_open: true };
    this.#directMessages += 1;
    return {
      channel: this.addChannel({ id: `D${this.account.toUpperCase()}${this.#directMessages}`, is_im: true, user }),
    };
  }

  post({ channel, text = '', blocks, thread_ts }) {
    this.#clock += 1;
    const ts = `${this.#clock}.000100`;
    const message = {
      type: 'message',
      user: this.me.id,
      bot_id: idOf('B', this.account),
      team: this.team.id,
      text,
      ts,
    };
    if (blocks) message.blocks = blocks;
    if (thread_ts) message.thread_ts = thread_ts;
    this.messages.get(channel).push(message);
    const parent = thread_ts && this.message(channel, thread_ts);
    if (parent) Object.assign(parent, { thread_ts, reply_count: (parent.reply_count ?? 0) + 1, latest_reply: ts });
    return message;
  }

  message(channel, ts) {
    return this.messages.get(channel)?.find((message) => message.ts === ts);
  }

  /** Messages of a channel that are no replies, newest first. */
  history(channel) {
    const isTop = ({ thread_ts, ts }) => !thread_ts || thread_ts === ts;
    return this.messages.get(channel).filter(isTop).reverse();
  }

  thread(channel, ts) {
    return this.messages.get(channel).filter((message) => message.ts === ts || message.thread_ts === ts);
  }

  search(query) {
    const words = query.toLowerCase().split(/\s+/);
    return this.channels.flatMap((channel) =>
      this.messages
        .get(channel.id)
        .filter(({ text }) => words.every((word) => text.toLowerCase().includes(word)))
        .map((message) => ({
          ...message,
          username: this.me.name,
          channel: { id: channel.id, name: channel.name },
          permalink: `https://${this.account}.slack.com/archives/${channel.id}/p${message.ts.replace('.', '')}`,
        })),
    );
  }
}

const idOf = (letter, account) => `${letter}${account.toUpperCase()}`;

function user(account, role, n) {
  const name = role === 'bot' ? `bot-of-${account}` : `${role}-of-${account}`;
  return {
    id: `U${account.toUpperCase()}${n}`,
    team_id: idOf('T', account),
    name,
    real_name: `${role} ${account}`,
    deleted: role === 'member9',
    is_bot: role === 'bot',
    is_admin: role === 'owner',
    tz: 'Europe/Berlin',
    profile: {
      real_name: `${role} ${account}`,
      display_name: name,
      email: `${role}@${account}.example`,
      title: '',
      status_text: '',
    },
  };
}

function files(account) {
  const contents = [
    ['notes.txt', 'text/plain', 'text', Buffer.from(`notes of ${account}\nwith umlauts: äöü\n`)],
    ['pixel.png', 'image/png', 'png', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 255])],
    ['huge.bin', 'application/octet-stream', 'binary', HUGE],
    ...Array.from({ length: 4 }, (_, n) => [
      `report-${n}.csv`,
      'text/csv',
      'csv',
      Buffer.from(`a,b\n${n},${account}\n`),
    ]),
  ];
  return contents.map(([name, mimetype, filetype, content], n) => ({
    content,
    info: {
      id: `F${account.toUpperCase()}${n}`,
      name,
      title: name,
      mimetype,
      filetype,
      size: content.length,
      created: START + n,
      user: `U${account.toUpperCase()}1`,
      channels: [`C${account.toUpperCase()}0`],
    },
  }));
}
