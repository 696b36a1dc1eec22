import assert from 'node:assert/strict';
import test from 'node:test';

import { USER_TOKEN, serviceFor } from './support.js';

test('REST does what the tools do', async (t) => {
  const { service } = await serviceFor(t);
  const { request } = service.instance({ credential: USER_TOKEN });
  const ok = async (method, path, body) => {
    const answer = await request(method, `/api${path}`, body);
    assert.equal(answer.status, 200, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  assert.equal((await ok('GET', '/channels?kinds=public,private&limit=100')).channels.length, 11);
  const { ts } = await ok('POST', '/channels/CALICE1/messages', { text: 'by REST' });
  await ok('PATCH', `/channels/CALICE1/messages/${ts}`, { text: 'changed' });
  await ok('POST', `/channels/CALICE1/messages/${ts}/reactions`, { name: 'eyes' });
  assert.equal((await ok('GET', `/channels/CALICE1/messages/${ts}/replies`)).messages[0].text, 'changed');
  assert.equal((await ok('GET', '/channels/CALICE1/messages')).messages[0].reactions[0].name, 'eyes');
  await ok('DELETE', `/channels/CALICE1/messages/${ts}/reactions/eyes`);
  await ok('DELETE', `/channels/CALICE1/messages/${ts}`);
  assert.equal((await ok('GET', '/channels/CALICE1')).name, 'random');
  const person = await ok('GET', '/users/owner@alice.example');
  assert.equal((await ok('POST', '/direct-messages', { users: [person.id] })).was_open, false);
  assert.equal((await ok('GET', '/users')).users.length, 12);
  assert.equal((await ok('GET', '/search/messages?query=question')).total, 1);
  const { files } = await ok('GET', '/files');
  assert.match((await ok('GET', `/files/${files[0].id}`)).text, /notes of alice/);
  assert.equal((await ok('GET', '/account')).workspace, 'Team alice');
});
