// Administration: people, groups, everybody's instances, the audit log; and that others have no business there. Every page
// of the account and of administration in both themes, on a desk and on a phone.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { accountPlaces, furnishAccount } from './account-places.mjs';
import { Berth } from './berth.mjs';
import { DESK, PHONE, Person, closeBrowser } from './people.mjs';

let berth;
let things;
before(async () => {
    berth = await Berth.start();
    things = await furnishAccount(berth);
});
after(async () => {
    await closeBrowser();
    await berth?.end();
});

const dialog = (person) => person.page.locator('dialog[open]');
const answer = (person, name) => dialog(person).getByRole('button', { name, exact: true }).click();
const admin = async (path) => (await Person.with(berth)).signIn('ann@example.org', path);
const rowOf = (person, text) => person.page.getByRole('row').filter({ hasText: text });
async function more(person, about, name) {
    await person.page.locator(`summary[aria-label="More for ${about}"]`).click();
    await person.page.locator('.menu[open]').getByRole('button', { name, exact: true }).click();
}

test('a user is made, disabled, removed and restored', async () => {
    const person = await admin('/app/admin/users');
    const email = 'eve@example.org';
    await person.button('New user').click();
    await dialog(person).getByLabel('E-mail').fill(email);
    await dialog(person).getByLabel('Password').fill('a long enough password');
    await answer(person, 'Make the account');
    await rowOf(person, email).getByText('Active').waitFor();
    const eve = await (await Person.with(berth)).signIn(email);

    await more(person, email, 'Disable…');
    await answer(person, 'Disable');
    await rowOf(person, email).getByText('Disabled').waitFor();
    await eve.page.reload();
    await eve.page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
    await more(person, email, 'Enable');
    await rowOf(person, email).getByText('Active').waitFor();

    await more(person, email, 'Remove…');
    await answer(person, 'Remove');
    await rowOf(person, email).getByText('Removed').waitFor();
    await more(person, email, 'Restore');
    await rowOf(person, email).getByText('Active').waitFor();
    await eve.signIn(email);
    await eve.leave();
    await person.leave();
});

test('a quota is set for one, and holds', async () => {
    const person = await admin(`/app/admin/users/${things.user.id}`);
    await person.page.getByLabel('Instances', { exact: true }).fill('0');
    await person.button('Save').click();
    await person.sees(/holds from the next request/);
    await assert.rejects(berth.api(berth.tokenOf('bob@example.org'), 'POST', '/mcps', { service: 'echo' }), /quota_reached/);
    await person.page.getByLabel('Instances', { exact: true }).fill('');
    await person.button('Save').click();
    await person.sees('of 10');
    await person.leave();
});

test("everybody's instances are found and acted on, live", async () => {
    const token = berth.tokenOf('bob@example.org');
    const person = await admin('/app/admin/instances');
    const { id } = await berth.instance(token, { service: 'slow', label: 'Of Bob' });
    await person.page.getByLabel('All users').selectOption({ label: 'bob@example.org' });
    await rowOf(person, 'Of Bob').getByText('Running').waitFor();
    assert.equal(await rowOf(person, 'Front desk').count(), 0);
    await more(person, 'Of Bob', 'Turn off');
    await rowOf(person, 'Of Bob').getByText('Stopped').waitFor();
    await more(person, 'Of Bob', 'Delete…');
    await dialog(person).getByRole('textbox').fill('Of Bob');
    await answer(person, 'Delete it');
    await rowOf(person, 'Of Bob').waitFor({ state: 'detached' });
    await assert.rejects(berth.api(token, 'GET', `/mcps/${id}`), /404/);
    await person.leave();
});

test('the audit log is filtered, verified and taken away', async () => {
    const person = await admin('/app/admin/audit');
    await person.page.getByLabel('Action').fill('group.create');
    await person.button('Filter').click();
    await person.page.waitForURL(/action=group.create/);
    await rowOf(person, 'Group: create').waitFor();
    assert.equal(await rowOf(person, 'Instance: create').count(), 0);
    await person.button('Verify the chain').click();
    await person.sees(/The chain holds: \d+ entries/);
    const [download] = await Promise.all([person.page.waitForEvent('download'), person.link('Export').click()]);
    assert.equal(download.suggestedFilename(), 'berth-audit.jsonl');
    await person.page.getByLabel('Action').fill('no.such');
    await person.button('Filter').click();
    await person.sees('No entry fits');
    await person.leave();
});

test('a service that was added is known by who added it, and removed', async () => {
    const token = berth.tokenOf('ann@example.org');
    await berth.api(token, 'POST', '/services', { name: 'added', display_name: 'Added later', description: 'For trying.', transport: 'stdio', launch: { kind: 'npm', package: 'left-pad', version: '1.3.0' } });
    const person = await admin('/app/admin/services');
    await rowOf(person, 'Added later').getByText('ann@example.org').waitFor();
    await more(person, 'Added later', 'Remove…');
    await answer(person, 'Remove it');
    await rowOf(person, 'Added later').waitFor({ state: 'detached' });
    await person.leave();
});

test('who is no administrator is told that this is not for them', async () => {
    const person = await (await Person.with(berth)).signIn('bob@example.org', '/app/admin/users');
    await person.sees('You may not see this');
    await person.isWell('forbidden');
    assert.equal(await person.link('Admin').count(), 0);
    await person.leave();
});

for (const [screenName, screen] of Object.entries({ desk: DESK, phone: PHONE })) {
    for (const theme of ['light', 'dark']) {
        test(`every page of the account and of administration is well (${screenName}, ${theme})`, async () => {
            const person = await (await Person.with(berth, screen, { theme })).signIn('ann@example.org');
            for (const [name, path, prepare] of accountPlaces(things)) {
                await person.go(path);
                await prepare?.(person);
                await person.isWell(`${name} (${screenName}, ${theme})`);
            }
            await person.leave();
        });
    }
}
