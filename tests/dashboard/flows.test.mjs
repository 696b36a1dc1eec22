// What people come for: from signing in to a tool that answers, and what they do with an instance afterwards.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Berth, until } from './berth.mjs';
import { DESK, PHONE, Person, closeBrowser } from './people.mjs';

let berth;
before(async () => void (berth = await Berth.start()));
after(async () => {
    await closeBrowser();
    await berth?.end();
});

const screens = { 'on a desk': DESK, 'on a phone': PHONE };
for (const [where, screen] of Object.entries(screens)) {
    describe(where, () => {
        test('from signing in to the first answer of a tool in six clicks and a minute', async () => {
            const email = `${where.replaceAll(' ', '-')}@example.org`;
            berth.addUser(email);
            const person = await Person.with(berth, screen);
            const { page } = person;
            const began = Date.now();
            await person.signIn(email);
            await person.sees('No instances yet');
            await person.click(person.link('New instance'));
            await person.heading('Catalog');
            await person.click(person.link(/Slow starter/));
            await person.heading('New Slow starter');
            await person.click(person.button('Create and start'));
            // The start is seen as it happens, and leads on by itself.
            await person.heading('Starting Slow starter 1');
            await page.getByRole('log').getByText('warming up').waitFor();
            await page.locator('.steps .now').first().waitFor();
            await person.isWell('the start');
            await person.heading('Connect Slow starter 1');
            await page.getByLabel('text').fill('hello from the dashboard');
            await person.click(person.button('Call echo'));
            await page.locator('.result').getByText('hello from the dashboard').waitFor();
            await person.sees(/\d ms/);
            assert.ok(person.clicks <= 6, `${person.clicks} clicks`);
            assert.ok(Date.now() - began < 60_000, `${Date.now() - began} ms`);
            await person.isWell('connected');
            await person.leave();
        });

        test('a credential is tested in place; one that is refused is said at its field', async () => {
            const email = `keyed-${where.replaceAll(' ', '-')}@example.org`;
            berth.addUser(email);
            const person = await (await Person.with(berth, screen)).signIn(email, '/app/catalog/keyed/new');
            const { page } = person;
            await person.heading('New Keyed');
            await page.getByLabel('Access token').fill('ghp_wrong');
            await person.button('Test it').click();
            await page.getByText(/keyed refuses it/).waitFor();
            await person.isWell('a refused credential');
            await page.getByLabel('Access token').fill('ghp_good');
            await person.button('Test it').click();
            await person.sees(/Keyed takes it/);
            assert.ok(!(await page.content()).includes('ghp_good'), 'the secret is not left in the page');
            await person.button('Create and start').click();
            await person.heading('Connect Keyed 1');
            const stored = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, location.href]));
            assert.ok(!stored.includes('ghp_'), stored);
            await person.leave();
        });

        test('a start that fails is explained, and mended in place', async () => {
            const email = `crash-${where.replaceAll(' ', '-')}@example.org`;
            berth.addUser(email);
            const person = await (await Person.with(berth, screen)).signIn(email, '/app/catalog/crash/new');
            const { page } = person;
            await person.button('Create and start').click();
            await person.heading('Crashing server 1 failed');
            await person.sees('Exited with code 3');
            await page.locator('.crash').getByText('fatal: no configuration').waitFor();
            await person.isWell('the crash card');
            await person.button('Change and try again').click();
            await page.getByLabel('Mode').fill('--say');
            await person.button('Save and start').click();
            await person.heading('Connect Crashing server 1');
            await person.leave();
        });
    });
}

describe('an instance', () => {
    let person;
    let view;
    let token;
    before(async () => {
        token = berth.tokenOf('bob@example.org');
        view = await berth.instance(token, { service: 'echo', label: 'My echo' });
        person = await (await Person.with(berth)).signIn('bob@example.org');
    });
    after(() => person.leave());
    const tab = (name = '') => person.go(`/app/instances/${view.id}${name && `/${name}`}`, 'My echo');

    test('its state is live in the list, turned off and on again', async () => {
        await person.go('/app/', 'Instances');
        const row = person.page.getByRole('row', { name: /My echo/ });
        await row.getByText('Running').waitFor();
        await berth.api(token, 'POST', `/mcps/${view.id}/toggle`);
        await row.getByText('Stopped').waitFor();
        await row.getByRole('button', { name: 'Turn on' }).click();
        await row.getByText('Running').waitFor();
        await person.button('Undo').click();
        await row.getByText('Stopped').waitFor();
        await row.getByRole('button', { name: 'Turn on' }).click();
        await row.getByText('Running').waitFor();
        const other = await berth.instance(token, { service: 'echo', label: 'Passing by' });
        await person.sees('Passing by');
        await berth.api(token, 'DELETE', `/mcps/${other.id}`);
        await person.page.getByRole('row', { name: /Passing by/ }).waitFor({ state: 'detached' });
    });

    test('its log is live, searched and kept', async () => {
        await tab('logs');
        const log = person.page.getByRole('log');
        await log.getByText('ready to echo').first().waitFor();
        await person.page.locator('.live').waitFor();
        await berth.api(token, 'POST', `/mcps/${view.id}/tools/call`, { name: 'flood_stderr', arguments: { bytes: 300 } });
        await until('new lines', async () => (await log.locator('div').count()) > 2);
        await person.page.getByLabel('Search the log').fill('ready');
        await until('fewer lines', async () => (await log.locator('div').allInnerTexts()).every((line) => line.includes('ready')));
        const [download] = await Promise.all([person.page.waitForEvent('download'), person.button('Download').click()]);
        assert.equal(download.suggestedFilename(), 'echo-1-error.log');
        await person.page.getByLabel('Search the log').fill('');
        await person.button('Requests').click();
        await log.getByText('mcp/call').first().waitFor();
    });

    test('its tools are tried, and some of them given away', async () => {
        await tab('tools');
        await person.page.getByLabel('Search its tools').fill('whoami');
        await person.page.locator('.tool summary').first().click();
        await person.button('Call whoami').click();
        await person.page.locator('.result').getByText('Answered').waitFor();
        await person.page.getByLabel('Choose whoami').check();
        await person.button('Token for these alone').click();
        await person.page.getByLabel('Name').fill('just whoami');
        await person.button('Make it').click();
        const made = await person.page.getByLabel('Token', { exact: true }).innerText();
        const call = (name) => berth.api(made, 'POST', `/mcps/${view.id}/tools/call`, { name, arguments: {} });
        await call('whoami');
        await assert.rejects(call('show'), /403/);
        await person.button('Done').click();
        assert.ok(!(await person.page.content()).includes(made), 'the token is gone from the page');
        await tab('access');
        await person.button('Revoke just whoami').click();
        await person.page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
        await person.sees('The token is revoked');
        await assert.rejects(call('whoami'), /401/);
    });

    test('its first client is noticed', async () => {
        const fresh = await berth.instance(token, { service: 'echo', label: 'Fresh' });
        await person.go(`/app/instances/${fresh.id}/connect`, 'Connect Fresh');
        await person.sees('Waiting for the first client');
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
        const hello = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } } };
        await fetch(fresh.url, { method: 'POST', headers, body: JSON.stringify(hello) });
        await person.sees('A client is connected.');
        for (const client of ['Claude', 'Claude Code', 'Cursor', 'VS Code', 'Python', 'TypeScript']) {
            await person.page.getByRole('group', { name: 'Client' }).getByRole('button', { name: client, exact: true }).click();
            assert.ok((await person.page.locator('#app').innerText()).includes(fresh.id), client);
        }
        await person.button('Copy Address of the instance').click();
        assert.equal(await person.page.evaluate(() => navigator.clipboard.readText()), fresh.url);
        await berth.api(token, 'DELETE', `/mcps/${fresh.id}`);
    });

    test('its settings are changed, and it is shared and renewed', async () => {
        await tab('settings');
        await person.page.getByLabel('Name optional').fill('Renamed');
        await person.page.getByLabel('Memory, MiB').fill('200');
        await person.button('Save and restart').click();
        await person.heading('Renamed');
        const now = await until('the change', async () => {
            const now = await berth.api(token, 'GET', `/mcps/${view.id}`);
            return now.label === 'Renamed' && now.status === 'running' && now;
        });
        assert.equal(now.limits.memory_bytes, 200 * 1024 * 1024);
        await person.go(`/app/instances/${view.id}`, 'Renamed');
        await person.page.locator('summary[aria-label="Renew"]').click();
        await person.button('A day from now').click();
        await person.sees(/^in (23 h|1 d)/);
        await person.go(`/app/instances/${view.id}/access`, 'Renamed');
        await person.button('Share').click();
        await person.page.getByLabel('E-mail').fill('ann@example.org');
        await person.page.getByRole('dialog').getByRole('button', { name: 'Share' }).click();
        await person.sees('ann@example.org');
        const ann = await (await Person.with(berth)).signIn('ann@example.org');
        await ann.sees('Shared with you');
        await ann.leave();
        await person.go(`/app/instances/${view.id}/history`, 'Renamed');
        await person.sees('Changed by you');
    });

    test('it is deleted only by its name', async () => {
        await person.go(`/app/instances/${view.id}/settings`, 'Renamed');
        await person.button('Delete…').last().click();
        const dialog = person.page.getByRole('dialog');
        assert.ok(await dialog.getByRole('button', { name: 'Delete it' }).isDisabled());
        await dialog.getByRole('textbox').fill('Renamed');
        await dialog.getByRole('button', { name: 'Delete it' }).click();
        await person.heading('Instances');
        await person.sees('No instances yet');
    });
});

test('the keyboard goes everywhere', async () => {
    const person = await (await Person.with(berth)).signIn('ann@example.org');
    const { page } = person;
    await page.keyboard.press('g');
    await page.keyboard.press('c');
    await person.heading('Catalog');
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1');
    await page.keyboard.press('/');
    await page.keyboard.type('echo');
    await until('the list to be shorter', async () => (await page.locator('.service-card').count()) === 1);
    assert.match(page.url(), /search=echo/);
    await page.locator('h1').focus();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.goBack();
    await person.heading('Instances');
    await person.leave();
});
