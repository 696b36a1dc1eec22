import { fileURLToPath } from 'node:url';

import * as sdk from '@modelcontextprotocol/client';

import { startStandIn } from '../../../tests/stand-ins/start.mjs';
import { QUICK } from '../../_shared/testing/contract.js';
import { connectClient, startService } from '../../_shared/testing/service.js';

export { sdk };
export const ENTRY = fileURLToPath(new URL('../index.js', import.meta.url));
export const TOKENS = { alice: 'ya29.alice', bob: 'ya29.bob' };

export const startGmail = (test) =>
  startStandIn(
    test,
    'gmail',
    Object.entries(TOKENS).flatMap(([login, token]) => ['--token', `${token}=${login}`]),
  );

export const env = (gmail) => ({ GMAIL_API_URL: gmail.url });

/** The service before a stand-in of Gmail; `as(login)` is a user's MCP client, `arrange` asks Gmail itself. */
export async function serviceFor(test) {
  const gmail = await startGmail(test);
  const service = await startService(test, ENTRY, { ...QUICK, OUTSIDE_MAX_RESPONSE_BYTES: '', ...env(gmail) });
  const as = (login) => connectClient(test, sdk, service.instance({ credential: TOKENS[login] }));
  const arrange = async (path, body, login = 'alice') => {
    const response = await fetch(`${gmail.url}/gmail/v1/users/me/${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { authorization: `Bearer ${TOKENS[login]}` },
      body: body && JSON.stringify(body),
    });
    return response.json();
  };
  /** The mail as it went out: the lines of its head, unfolded. */
  const sent = async (id) => {
    const { raw } = await arrange(`messages/${id}?format=raw`);
    const [head] = Buffer.from(raw, 'base64url').toString('utf8').split('\r\n\r\n');
    return head.replaceAll(/\r\n[ \t]+/g, ' ').split('\r\n');
  };
  /** Takes a mail with these headers in, as if somebody else had sent it; its id. */
  const receive = async (lines) => {
    const raw = Buffer.from([...lines, '', 'x'].join('\r\n')).toString('base64url');
    const { id } = await arrange('messages/send', { raw });
    await arrange(`messages/${id}/modify`, { removeLabelIds: ['SENT'] });
    return id;
  };
  return { gmail, service, as, arrange, sent, receive };
}

/** The value of a header among such lines. */
export const header = (lines, name) =>
  lines.find((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))?.slice(name.length + 2);

/** All pages of a list, and how many there were. */
export async function all(call, tool, name, input) {
  const items = [];
  let pages = 0;
  let cursor;
  do {
    const page = await call(tool, { ...input, ...(cursor && { cursor }) });
    items.push(...page[name]);
    cursor = page.next;
    pages += 1;
  } while (cursor);
  return { items, pages };
}
