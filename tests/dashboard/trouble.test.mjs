// Something is lost in the middle: the sign-in, the server, the network, a right. No page breaks, and one goes on.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Berth, PASSWORD, until } from './berth.mjs';
import { PHONE, Person, closeBrowser } from './people.mjs';

let berth;
let token;
let view;
before(async () => {
    berth = await Berth.start();
    token = berth.tokenOf('bob@example.org');
    view = await berth.instance(token, { service: 'echo', label: 'My echo' });
});
after(async () => {
    await closeBrowser();
    await berth?.end();
});

const bob = async (path = '/app/') => (await Person.with(berth)).signIn('bob@example.org', path);

// Ends all sign-ins of somebody, as from another device.
async function endSignIns(person) {
    const [cookie] = (await person.context.cookies()).filter(({ name }) => name === 'berth_session');
    const me = await (await fetch(`${berth.url}/api/v1/me`, { headers: { cookie: `berth_session=${cookie.value}` } })).json();
    const headers = { cookie: `berth_session=${cookie.value}`, 'x-csrf-token': me.csrf_token };
    assert.equal((await fetch(`${berth.url}/api/v1/auth/logout`, { method: 'POST', headers })).status, 204);
}

test('a deep link that is opened signed out comes back after signing in', async () => {
    const path = `/app/instances/${view.id}/logs?stream=access`;
    const person = await bob(path);
    assert.equal(new URL(person.page.url()).pathname + new URL(person.page.url()).search, path);
    await person.heading('My echo');
    await person.leave();
});

test('a sign-in that ends is said, and one comes back to the same place', async () => {
    for (const path of ['/app/', '/app/catalog', `/app/instances/${view.id}/settings`]) {
        const person = await bob(path);
        await endSignIns(person);
        if (path.endsWith('settings')) {
            await person.page.getByLabel('Name optional').fill('Other');
            await person.button('Save').click();
        }
        await person.sees('You are signed out.');
        await person.isWell(`${path} after the sign-in has ended`);
        await person.link('Sign in again').click();
        await person.page.getByLabel('E-mail').fill('bob@example.org');
        await person.page.getByLabel('Password').fill(PASSWORD);
        await person.button('Sign in').click();
        await person.heading();
        assert.equal(new URL(person.page.url()).pathname, path);
        await person.leave();
    }
});

test('signed in again in another tab, this one goes on with what was typed', async () => {
    const person = await bob(`/app/instances/${view.id}/settings`);
    await person.page.getByLabel('Name optional').fill('Typed before');
    await endSignIns(person);
    await person.button('Save').click();
    await person.sees('You are signed out.');
    const other = await person.context.newPage();
    await other.goto('/login?next=/app/');
    await other.getByLabel('E-mail').fill('bob@example.org');
    await other.getByLabel('Password').fill(PASSWORD);
    await other.getByRole('button', { name: 'Sign in', exact: true }).click();
    await other.getByRole('heading', { level: 1 }).waitFor();
    await other.close();
    await person.page.evaluate(() => dispatchEvent(new Event('focus')));
    await person.page.getByText('You are signed out.').waitFor({ state: 'detached' });
    await person.button('Save').click();
    await person.heading('Typed before');
    await berth.api(token, 'PATCH', `/mcps/${view.id}`, { label: 'My echo' });
    await person.leave();
});

test('Berth restarts: pages say so and are live again by themselves', async () => {
    const list = await bob('/app/');
    const logs = await bob(`/app/instances/${view.id}/logs`);
    const phone = await (await Person.with(berth, PHONE)).signIn('bob@example.org', `/app/instances/${view.id}`);
    await logs.page.locator('.live').waitFor();
    await berth.down();
    for (const person of [list, logs, phone]) {
        await person.sees(/Berth cannot be reached/);
        await person.isWell('without the server');
    }
    await berth.up();
    for (const person of [list, logs, phone]) {
        await person.page.getByText(/Berth cannot be reached/).waitFor({ state: 'detached' });
        await person.isWell('with the server again');
    }
    await until('the instance to run', async () => (await berth.api(token, 'GET', `/mcps/${view.id}`)).status === 'running');
    await logs.page.locator('.live').waitFor();
    await berth.api(token, 'POST', `/mcps/${view.id}/toggle`);
    await list.page.getByRole('row', { name: /My echo/ }).getByText('Stopped').waitFor();
    await phone.sees('Stopped');
    await berth.api(token, 'POST', `/mcps/${view.id}/toggle`);
    await list.page.getByRole('row', { name: /My echo/ }).getByText('Running').waitFor();
    for (const person of [list, logs, phone]) await person.leave();
});

test('a lost network: a form keeps what was typed, and works when it is back', async () => {
    const person = await bob('/app/catalog/echo/new');
    await person.page.getByLabel('Name optional').fill('Made after all');
    await person.context.setOffline(true);
    await person.button('Create and start').click();
    await person.sees(/Berth cannot be reached/);
    await person.isWell('without a network');
    await person.link('Instances').click();
    await person.heading('Instances');
    await person.page.goBack();
    await person.heading('New Echo');
    await person.context.setOffline(false);
    await person.page.getByText(/Berth cannot be reached/).waitFor({ state: 'detached' });
    await person.page.getByLabel('Name optional').fill('Made after all');
    await person.button('Create and start').click();
    await person.heading('Connect Made after all');
    await person.leave();
});

test('what one may not do, or see, is said', async () => {
    const person = await bob('/app/');
    await person.go(`/app/instances/01a200ea-0000-7000-8000-000000000000`, 'Instance');
    await person.sees('There is nothing here');
    await person.isWell('an instance that there is not');
    await person.go('/app/no/such/page', 'There is no such page');
    await person.isWell('no such page');
    await person.go('/app/catalog/nothing/new', 'New nothing');
    await person.sees('There is nothing here');
    // A right that is taken away while one uses it.
    await person.go('/app/catalog/echo/new', 'New Echo');
    const ann = berth.tokenOf('ann@example.org');
    const { items } = await berth.api(ann, 'GET', '/users');
    const { id } = items.find(({ email }) => email === 'bob@example.org');
    await berth.api(ann, 'PATCH', `/users/${id}`, { services: ['slow'] });
    await person.button('Create and start').click();
    await person.page.getByRole('alert').waitFor();
    await person.isWell('a service that is not allowed any more');
    await berth.api(ann, 'PATCH', `/users/${id}`, { services: null });
    // 403 to everything: every page says so, none breaks.
    await person.page.route('**/api/v1/**', (route) => route.fulfill({ status: 403, contentType: 'application/problem+json', body: JSON.stringify({ status: 403, code: 'forbidden', detail: 'only administrators may do this' }) }));
    for (const path of ['/app/', '/app/catalog', `/app/instances/${view.id}`, `/app/instances/${view.id}/connect`]) {
        await person.go(path);
        await person.sees('You may not see this');
        await person.isWell(`${path} forbidden`);
    }
    await person.leave();
});

test('what fails can be tried again', async () => {
    const person = await bob('/app/catalog');
    await person.page.route('**/api/v1/mcps', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: JSON.stringify({ status: 503, code: 'database_unavailable', detail: 'the database cannot be used now', request_id: 'r1' }) }));
    await person.go('/app/', 'Instances');
    await person.sees('Your instances could not be loaded');
    await person.isWell('a list that failed');
    await person.page.unroute('**/api/v1/mcps');
    await person.button('Try again').click();
    await person.sees('My echo');
    await person.leave();
});
