import assert from 'node:assert/strict';
import test from 'node:test';

import { TOKENS, serviceFor } from './support.js';

test('REST does what the tools do', async (t) => {
  const { service } = await serviceFor(t);
  const { request } = service.instance({ credential: TOKENS.alice });
  const ok = async (method, path, body) => {
    const answer = await request(method, `/api${path}`, body);
    assert.equal(answer.status, 200, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  assert.equal((await ok('GET', '/profile')).address, 'alice@gmail.example');
  assert.equal((await ok('GET', '/messages?labels=INBOX,UNREAD&limit=3')).messages.length, 3);
  const [mail] = (await ok('GET', '/search/messages?query=has:attachment')).messages;
  assert.equal((await ok('GET', `/messages/${mail.id}?include_headers=true`)).attachments.length, 1);
  assert.equal((await ok('GET', `/messages/${mail.id}/attachments/1`)).name, 'report.pdf');
  const label = await ok('POST', '/labels', { name: 'By REST' });
  assert.ok((await ok('GET', '/labels')).labels.some(({ id }) => id === label.id));
  assert.ok((await ok('POST', `/messages/${mail.id}/labels`, { add: [label.id] })).labels.includes(label.id));
  await ok('POST', `/messages/${mail.id}/trash`);
  await ok('POST', `/messages/${mail.id}/untrash`);
  const sent = await ok('POST', '/messages', { to: ['a@example.com'], subject: 'x' });
  assert.equal((await ok('POST', `/messages/${mail.id}/reply`, { text: 'x' })).thread_id, mail.thread_id);
  assert.equal((await ok('GET', `/threads/${sent.thread_id}`)).messages.length, 1);
  assert.equal((await ok('GET', '/threads?limit=2')).threads.length, 2);
  const { draft_id } = await ok('POST', '/drafts', { to: ['a@example.com'] });
  await ok('PUT', `/drafts/${draft_id}`, { to: ['b@example.com'] });
  assert.equal((await ok('GET', '/drafts')).drafts[0].message.to, 'b@example.com');
  await ok('POST', `/drafts/${draft_id}/send`);
  const other = await ok('POST', '/drafts', {});
  assert.deepEqual(await ok('DELETE', `/drafts/${other.draft_id}`), { deleted: other.draft_id });
});
