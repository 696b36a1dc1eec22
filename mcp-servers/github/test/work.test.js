import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { fileScope } from '../../_shared/testing/service.js';
import { arrange, serviceFor, writeFile } from './support.js';

const at = { owner: 'alice', repo: 'private' };
const file = fileScope(after);
let github;
let service;
let alice;
let bob;

before(async () => {
  const all = await serviceFor(file);
  ({ github, service } = all);
  [alice, bob] = await Promise.all([all.as('alice'), all.as('bob')]);
});

/** A branch with one commit more than main. */
async function branch(name) {
  const { object } = await arrange(github, 'alice', 'GET', '/repos/alice/private/git/ref/heads/main');
  await arrange(github, 'alice', 'POST', '/repos/alice/private/git/refs', { ref: `refs/heads/${name}`, sha: object.sha });
  await writeFile(github, 'alice', 'alice/private', `${name}.txt`, name, name);
}

const open = (name, more) =>
  alice.call('create_pull_request', { ...at, title: `Pull ${name}`, head: name, base: 'main', ...more });

test('issues: create, get, list, change, comment', async () => {
  const { number } = await alice.call('create_issue', {
    ...at,
    title: 'Broken',
    body: 'It is.',
    labels: ['bug'],
    assignees: ['alice'],
  });
  const issue = await alice.call('get_issue', { ...at, issue_number: number });
  assert.deepEqual([issue.title, issue.body, issue.state, issue.user.login], ['Broken', 'It is.', 'open', 'alice']);
  await alice.call('create_issue', { ...at, title: 'Second' });

  const first = await alice.call('list_issues', { ...at, per_page: 1 });
  assert.deepEqual([first.items.length, first.next_page], [1, 2]);
  const second = await alice.call('list_issues', { ...at, per_page: 1, page: 2 });
  assert.deepEqual([second.items.length, second.next_page], [1, null]);

  const { body } = await alice.call('add_issue_comment', { ...at, issue_number: number, body: 'Seen.' });
  assert.equal(body, 'Seen.');
  const { items } = await alice.call('list_issue_comments', { ...at, issue_number: number });
  assert.deepEqual(
    items.map((one) => [one.body, one.user.login]),
    [['Seen.', 'alice']],
  );

  const closed = await alice.call('update_issue', {
    ...at,
    issue_number: number,
    state: 'closed',
    state_reason: 'completed',
    title: 'Fixed',
  });
  assert.deepEqual([closed.state, closed.title, closed.body], ['closed', 'Fixed', 'It is.']);
  assert.equal((await alice.call('list_issues', at)).items.length, 1);
});

test('issues of others are theirs', async () => {
  await assert.rejects(bob.call('create_issue', { ...at, title: 'Mine?' }), /GitHub answered 40[34]/);
  await assert.rejects(bob.call('list_issues', at), /GitHub answered 40[34]/);
  await assert.rejects(alice.call('create_issue', { ...at, title: '' }), { code: 'bad_arguments' });
});

test('a creation is not repeated when it fails on their side', async () => {
  const before = (await github.calls()).length;
  await github.fail({ kind: 'status', method: 'POST', path: 'issues', status: 502 });
  await assert.rejects(alice.call('create_issue', { ...at, title: 'Once' }), { code: 'outside_failed', status: 502 });
  assert.equal((await github.calls()).length, before + 1);
});

test('a secondary rate limit is waited for, writings too: nothing was done', async () => {
  await github.fail({ kind: 'rate_limit', method: 'POST', path: 'issues', retry_after: 1, secondary: true });
  assert.equal((await alice.call('create_issue', { ...at, title: 'After the wait' })).title, 'After the wait');
});

test('pull requests: create, list, get with files, change, review, merge', async () => {
  await branch('one');
  const { number, state, head } = await open('one', { body: 'Please.' });
  assert.deepEqual([state, head.ref], ['open', 'one']);
  const { items } = await alice.call('list_pull_requests', { ...at, state: 'open' });
  assert.ok(items.some((pull) => pull.number === number));
  assert.ok(!(await alice.call('list_issues', { ...at, state: 'all' })).items.some((issue) => issue.number === number));

  const which = { ...at, pull_number: number };
  const pull = await alice.call('get_pull_request', which);
  assert.equal(pull.merged, false);
  assert.equal(pull.files.items.length, Math.min(pull.changed_files, 30));
  assert.equal((await alice.call('get_pull_request', { ...which, files: false })).files, undefined);
  assert.equal((await alice.call('update_pull_request', { ...which, title: 'Better' })).title, 'Better');

  const review = await alice.call('add_review', {
    ...which,
    event: 'COMMENT',
    body: 'Fine.',
    comments: [{ path: 'one.txt', line: 1, body: 'Here.' }],
  });
  assert.deepEqual([review.body, review.user.login], ['Fine.', 'alice']);

  await assert.rejects(
    alice.call('merge_pull_request', { ...which, sha: '0'.repeat(40) }),
    /GitHub answered 4\d\d: .*out of date/,
  );
  assert.equal((await alice.call('merge_pull_request', { ...which, merge_method: 'squash', sha: head.sha })).merged, true);
  assert.ok((await alice.call('get_pull_request', which)).merged_at);
  await assert.rejects(alice.call('merge_pull_request', which), /GitHub answered 4\d\d: .*not mergeable/);
});

test('pull requests: lists go on, long diffs are cut', async () => {
  for (const name of ['two', 'three']) await branch(name).then(() => open(name));
  const page = await alice.call('list_pull_requests', { ...at, per_page: 1 });
  assert.deepEqual([page.items.length, page.next_page], [1, 2]);
  const patch = 'x'.repeat(9000);
  await github.fail({
    kind: 'body',
    path: '/files',
    body: [{ filename: 'f', status: 'added', additions: 1, deletions: 0, patch }],
  });
  const { files } = await alice.call('get_pull_request', { ...at, pull_number: page.items[0].number });
  assert.match(files.items[0].patch, /^x{8000}\n\[cut\]$/);
});

test('what GitHub wants of the token is told', async () => {
  const forbidden = {
    kind: 'status',
    status: 403,
    path: '/user',
    body: { message: 'Resource not accessible by personal access token' },
  };
  await github.fail({ ...forbidden, headers: { 'x-accepted-github-permissions': 'issues=write' } });
  await assert.rejects(alice.call('get_me'), {
    code: 'forbidden',
    message: /not accessible.*The token needs: issues=write/,
  });
  await github.fail({ ...forbidden, headers: { 'x-github-sso': 'required; url=https://github.com/orgs/x/sso' } });
  await assert.rejects(alice.call('get_me'), /single sign-on of this token: https:\/\/github.com\/orgs\/x\/sso/);
  const errors = [{ resource: 'Issue', field: 'title', code: 'missing_field' }];
  await github.fail({ kind: 'status', status: 422, path: 'issues', body: { message: 'Validation Failed', errors } });
  await assert.rejects(
    alice.call('create_issue', { ...at, title: 'x' }),
    /422: Validation Failed; Issue title missing_field/,
  );
});

test('REST: writing', async () => {
  const instance = service.instance({ credential: 'ghp_alice' });
  const issues = '/api/repositories/alice/private/issues';
  const created = await instance.request('POST', issues, { title: 'By REST', labels: ['x'] });
  assert.deepEqual([created.status, created.body.title], [200, 'By REST']);
  const changed = await instance.request('PATCH', `${issues}/${created.body.number}`, { state: 'closed', owner: 'bob' });
  assert.equal(changed.body.state, 'closed');
  assert.equal((await instance.request('POST', issues, { nonsense: 1 })).status, 400);
});
