// What people do with their account: what they give to programs and services, and how they sign in.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';

import { Berth } from './berth.mjs';
import { DESK, PHONE, Person, closeBrowser } from './people.mjs';

let berth;
before(async () => void (berth = await Berth.start()));
after(async () => {
    await closeBrowser();
    await berth?.end();
});

const dialog = (person) => person.page.locator('dialog[open]');
/** Presses a button of the dialog that is open. */
const answer = (person, name) => dialog(person).getByRole('button', { name, exact: true }).click();
const signedIn = async (email, path, screen = DESK) => {
    berth.addUser(email);
    return (await Person.with(berth, screen)).signIn(email, path);
};

/** The code of a second factor now (RFC 6238). */
function codeOf(secret, step = Math.floor(Date.now() / 30_000)) {
    const bits = [...secret.replace(/=+$/, '')].map((letter) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')).join('');
    const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const digest = createHmac('sha1', key).update(counter).digest();
    return String((digest.readUInt32BE(digest.at(-1) & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

for (const [where, screen] of Object.entries({ desk: DESK, phone: PHONE })) {
    test(`a token is made, shown once, and revoked (${where})`, async () => {
        const person = await signedIn(`token-${where}@example.org`, '/app/account/tokens', screen);
        await person.sees('No tokens yet');
        await person.button('New token').click();
        await dialog(person).getByLabel('Name').fill('Builds');
        await answer(person, 'Make it');
        const token = await dialog(person).getByRole('textbox', { name: 'Token' }).innerText();
        assert.match(token, /^bth_/);
        assert.equal((await berth.api(token, 'GET', '/me')).email, `token-${where}@example.org`);
        await person.isWell('the new token');
        await answer(person, 'Done');
        await person.sees('Builds');
        assert.ok(!(await person.page.content()).includes(token), 'it is not shown again');
        await person.button('Revoke Builds').click();
        await answer(person, 'Revoke');
        await person.sees('No token is good now');
        await assert.rejects(berth.api(token, 'GET', '/me'), /401/);
        await person.leave();
    });
}

test('a credential that is refused is said at its field; one that is taken is stored, replaced, brought back, deleted', async () => {
    const person = await signedIn('keys@example.org', '/app/account/credentials');
    const { page } = person;
    await person.sees('No credentials yet');
    await person.button('Add a credential').click();
    await dialog(person).getByLabel('Service').selectOption('keyed');
    await dialog(person).getByLabel('Access token').fill('ghp_wrong');
    await answer(person, 'Store it');
    await page.locator('.error').getByText(/keyed refuses it/).waitFor();
    await person.isWell('a refused credential');
    await dialog(person).getByLabel('Access token').fill('ghp_good');
    await answer(person, 'Store it');
    await person.sees('Taken');
    assert.ok(!(await page.content()).includes('ghp_good'), 'the secret is not left in the page');
    const more = async (name) => {
        await page.locator('summary[aria-label^="More for Keyed"]').click();
        await page.locator('.menu[open]').getByRole('button', { name }).click();
    };
    await more('Replace its value…');
    await dialog(person).getByLabel('New: Access token').fill('ghp_good');
    await answer(person, 'Replace');
    await person.sees(/is kept until/);
    await more(/Bring back/);
    await page.getByText(/is kept until/).waitFor({ state: 'detached' });
    await more('Delete…');
    await answer(person, 'Delete it');
    await person.sees('No credentials yet');
    await person.leave();
});

test('a second factor is set up by a code, asked for, and removed', async () => {
    const email = 'factor@example.org';
    const person = await signedIn(email, '/app/account/security');
    const { page } = person;
    await person.button('Set up').click();
    await page.locator('.qr').waitFor();
    await page.getByText('It cannot be scanned').click();
    const secret = await dialog(person).getByRole('textbox', { name: 'Secret' }).innerText();
    await dialog(person).getByLabel('The code that the app shows').fill('000000');
    await answer(person, 'Turn it on');
    await person.sees(/That code is not right/);
    const step = Math.floor(Date.now() / 30_000);
    await dialog(person).getByLabel('The code that the app shows').fill(codeOf(secret, step));
    await answer(person, 'Turn it on');
    await person.sees('Your recovery codes');
    const recovery = (await page.getByLabel('Recovery codes', { exact: true }).innerText()).split('\n')[0];
    await dialog(person).getByLabel('I have kept them').check();
    await answer(person, 'Done');
    await person.button('Remove…').click();
    await dialog(person).getByLabel('Password').fill('a long enough password');
    await dialog(person).getByLabel(/Code of the app/).fill(recovery);
    await answer(person, 'Remove it');
    await person.button('Set up').waitFor();
    await person.isWell('security');
    await person.leave();
});

test('other sign-ins are ended; this one stays', async () => {
    const person = await signedIn('places@example.org', '/app/account/security');
    const other = await (await Person.with(berth, PHONE)).signIn('places@example.org');
    await person.page.reload();
    await person.button('End all others').click();
    await answer(person, 'End them');
    await person.sees('1 sign-in has ended');
    await person.sees('This one');
    await other.page.reload();
    await other.page.getByRole('button', { name: 'Sign in', exact: true }).waitFor();
    await person.leave();
    await other.leave();
});

test('a webhook is added, its secret shown once, tried, deleted; ways to be told are kept', async () => {
    const person = await signedIn('hooks@example.org', '/app/account/webhooks');
    await person.button('Add a webhook').click();
    await dialog(person).getByLabel('Address').fill(`${berth.github.url}/hook`);
    await answer(person, 'Add it');
    const secret = await dialog(person).getByRole('textbox', { name: 'Secret' }).innerText();
    assert.match(secret, /^whsec_/);
    await answer(person, 'Done');
    await person.button(/^Test/).click();
    await person.sees(/It did not arrive|It arrived/);
    await person.button(/^Delete/).click();
    await answer(person, 'Delete it');
    await person.sees(/None yet/);
    await person.go('/app/account/notifications');
    const way = person.page.getByLabel('An instance has expired: Webhooks');
    const before = await way.isChecked();
    const kept = person.page.waitForResponse((response) => response.request().method() === 'PATCH' && response.ok());
    await way.click();
    await kept;
    await person.page.reload();
    await person.page.getByLabel('An instance has expired: Webhooks').waitFor();
    assert.equal(await person.page.getByLabel('An instance has expired: Webhooks').isChecked(), !before);
    await person.leave();
});
