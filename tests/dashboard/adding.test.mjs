// What is not in the catalog yet, and accounts at outside services.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Berth, standIn } from './berth.mjs';
import { DESK, PHONE, Person, closeBrowser } from './people.mjs';

const SECRET = 'sk-canary-of-a-configuration-77aa';
let berth;
let google;
before(async () => {
    berth = await Berth.start();
    google = await standIn(berth.folder, 'google-oauth', '--client', 'berth=outside-secret', '--account', 'alice');
});
after(async () => {
    google?.process.kill();
    await closeBrowser();
    await berth?.end();
});

async function adding(screen) {
    const person = await (await Person.with(berth, screen)).signIn('ann@example.org', '/app/catalog?add');
    await person.page.getByRole('dialog').waitFor();
    return person;
}

for (const [where, screen] of Object.entries({ 'a desk': DESK, 'a phone': PHONE })) {
    test(`a server of the curated list is one click from its form, on ${where}`, async () => {
        const person = await adding(screen);
        const { page } = person;
        const name = screen === DESK ? 'Charts' : 'Firecrawl';
        await page.getByLabel('Search', { exact: true }).fill(name);
        await person.button(`Add ${name}`).waitFor();
        await person.isWell('the curated list');
        await person.button(`Add ${name}`).click();
        await person.heading(`New ${name}`);
        await person.go('/app/catalog?add');
        await page.getByLabel('Search', { exact: true }).fill(name);
        await person.sees('In the catalog');
        await person.leave();
    });
}

test('a configuration is shown before it is taken, and its secrets stay out of the catalog', async () => {
    const person = await adding(DESK);
    const { page } = person;
    await page.getByText('A configuration', { exact: true }).click();
    await page.getByRole('textbox', { name: 'Configuration' }).fill(`{ // of a client
        "mcpServers": {
            "contained": { "command": "docker", "args": ["run", "x"] },
            "mine": { "command": "${process.env.BERTH_FAKE}", "args": [], "env": { "MY_API_KEY": "${SECRET}" } } } }`);
    await person.button('See what it has').click();
    await person.sees(/cannot run here/);
    await person.sees(/will be added/);
    await person.isWell('what a configuration has');
    await person.button('Add 1 service').click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await person.go('/app/');
    await person.sees('mine 1');
    assert.ok(!(await page.content()).includes(SECRET));
    const token = berth.tokenOf('ann@example.org');
    assert.ok(!JSON.stringify(await berth.api(token, 'GET', '/services')).includes(SECRET));
    assert.ok(!berth.log.includes(SECRET));
    await person.leave();
});

test('an account at an outside service is connected on the way to an instance', async () => {
    const token = berth.tokenOf('ann@example.org');
    const oauth = { authorize_url: `${google.url}/o/oauth2/v2/auth`, token_url: `${google.url}/token`, parameters: { access_type: 'offline', prompt: 'consent' } };
    const launch = { kind: 'command', command: process.env.BERTH_FAKE, args: [] };
    await berth.api(token, 'POST', '/services', { name: 'mail', display_name: 'Mail', transport: 'stdio', launch, credential: { kind: 'oauth2', env: 'TOKEN', oauth } });
    berth.cli(['service', 'oauth-client', 'set', 'mail', '--client-id', 'berth'], 'outside-secret');
    const person = await (await Person.with(berth, DESK)).signIn('ann@example.org', '/app/catalog/mail/new');
    const { page } = person;
    await person.heading('New Mail');
    await person.isWell('a service that one signs in for');
    await person.link('Connect Mail').click();
    await page.waitForURL(`${google.url}/**`);
    await page.getByRole('button', { name: /alice/ }).click();
    await person.heading('New Mail');
    assert.match(page.url(), /connected=/);
    await person.button('Create and start').click();
    await person.heading('Connect Mail 1');
    const [stored] = (await berth.api(token, 'GET', '/credentials')).items.filter(({ service }) => service === 'mail');
    assert.equal(stored.grant.standing, 'kept');
    await person.go('/app/account/credentials');
    await person.sees('Mail');
    await person.leave();
});
