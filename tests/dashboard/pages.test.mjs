// Every page, in both themes, on a desk and on a phone: nothing that axe finds, nothing cut, no complaint of the browser;
// what can be pressed on a phone is large enough.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Berth } from './berth.mjs';
import { DESK, PHONE, Person, closeBrowser } from './people.mjs';
import { furnish, places, visit } from './places.mjs';

let berth;
let things;
before(async () => {
    berth = await Berth.start();
    things = await furnish(berth);
});
after(async () => {
    await closeBrowser();
    await berth?.end();
});

/** Controls that are less than 44 px high or wide, but for links within a text and what a label makes larger. */
const small = () =>
    [...document.querySelectorAll('button, a[href], select, input, summary')]
        .filter((one) => one.checkVisibility() && !one.closest('p, dd, li.told, .skip, .copy-line') && !one.matches('.skip, .back, input[type=checkbox], input[type=radio]'))
        .map((one) => [one, one.getBoundingClientRect()])
        .filter(([, { width, height }]) => width > 0 && (height < 43.5 || width < 43.5))
        .map(([one, { width, height }]) => `${one.outerHTML.slice(0, 120)} ${width}x${height}`);

for (const [screenName, screen] of Object.entries({ desk: DESK, phone: PHONE })) {
    for (const theme of ['light', 'dark']) {
        describe(`${screenName}, ${theme}`, () => {
            test('every page is well', async () => {
                const person = await (await Person.with(berth, screen, { theme })).signIn('ann@example.org');
                const tooSmall = [];
                for (const place of places(things)) {
                    await visit(person, place);
                    await person.isWell(`${place[0]} (${screenName}, ${theme})`);
                    if (screenName === 'phone') tooSmall.push(...(await person.page.evaluate(small)).map((one) => `${place[0]}: ${one}`));
                }
                assert.deepEqual(tooSmall, [], 'too small to press');
                await person.leave();
            });
        });
    }
}

test('the theme that is chosen stays', async () => {
    const person = await (await Person.with(berth)).signIn('ann@example.org');
    const ground = () => person.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await person.page.locator('summary[aria-label="Your account"]').click();
    await person.button('Dark').click();
    assert.notEqual(await ground(), light);
    await person.page.reload();
    await person.heading('Instances');
    assert.notEqual(await ground(), light);
    await person.leave();
});
