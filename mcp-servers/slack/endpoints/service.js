import { createConnect } from '../api/slack.js';
import { account, accountOf } from './account.js';
import { channels } from './channels.js';
import { files } from './files.js';
import { messages } from './messages.js';
import { reactions } from './reactions.js';
import { search } from './search.js';
import { users } from './users.js';

/** The service as `serve` of _shared wants it. */
export function createService(settings) {
  const connect = createConnect(settings);
  return {
    name: 'slack',
    title: 'Slack',
    version: '0.1.0',
    instructions:
      'Channels, messages and people are named by ids (C…, U…), messages by channel and ts: list or search first, then act. ' +
      'Texts are Slack mrkdwn: *bold*, _italic_, <https://example.com|link>, <@U0123> mentions a person.',
    tools: [...channels, ...messages, ...reactions, ...users, ...search, ...files, ...account],
    connect,
    check: (context) => accountOf(connect(context)),
  };
}
