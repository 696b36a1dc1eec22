// What the first page costs, and a list of a thousand.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Berth } from './berth.mjs';
import { Person, closeBrowser } from './people.mjs';

const MOST_BYTES = 120 * 1024;

let berth;
before(async () => void (berth = await Berth.start()));
after(async () => {
    await closeBrowser();
    await berth?.end();
});

test('the first page is at most 120 KiB, compressed', async () => {
    const person = await (await Person.with(berth)).signIn('ann@example.org');
    const cdp = await person.context.newCDPSession(person.page);
    await cdp.send('Network.enable');
    await cdp.send('Network.setCacheDisabled', { cacheDisabled: true });
    let bytes = 0;
    cdp.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
    await person.page.reload();
    await person.sees('No instances yet');
    await person.page.waitForTimeout(300);
    const paint = await person.page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
    console.log(`first page: ${(bytes / 1024).toFixed(1)} KiB, first paint after ${Math.round(paint)} ms`);
    assert.ok(bytes > 10_000 && bytes <= MOST_BYTES, `${bytes} bytes`);
    await person.leave();
});

test('a list of a thousand has only what is seen in the page, and scrolls', async () => {
    const person = await Person.with(berth);
    await person.page.route('**/api/v1/mcps', async (route) => {
        const items = Array.from({ length: 1000 }, (_, at) => ({
            id: `00000000-0000-7000-8000-${String(at).padStart(12, '0')}`, owner: 'x', slug: `ech_${at}`, service: 'echo', number: at + 1, label: `Instance ${at}`,
            mode: 'dedicated', desired: 'running', config: {}, credential_id: null, status: at % 9 ? 'running' : 'failed', health: 'healthy', port: null, pid: 1, url: `${berth.url}/echo/${at}/mcp`,
            created_at: new Date(Date.now() - at * 1000).toISOString(), started_at: new Date().toISOString(), expires_at: null, restarts: 0, limits: {}, idle_seconds: 0, limits_enforced: [], usage: null, last_error: null, walls: [],
        }));
        await route.fulfill({ json: { items, next: null } });
    });
    // The stream would say that there are none of these.
    await person.page.route('**/api/v1/mcps/stream', (route) => route.abort());
    await person.signIn('ann@example.org');
    await person.sees('Instance 0');
    const rows = () => person.page.locator('tbody tr').count();
    assert.ok((await rows()) < 150, `${await rows()} rows`);
    const worst = await person.page.evaluate(async () => {
        let worst = 0;
        let last = performance.now();
        for (let at = 0; at < 120; at += 1) {
            scrollBy(0, 480);
            await new Promise(requestAnimationFrame);
            worst = Math.max(worst, performance.now() - last);
            last = performance.now();
        }
        return worst;
    });
    console.log(`longest frame while scrolling: ${Math.round(worst)} ms`);
    assert.ok(worst < 1000, `${worst} ms`);
    await person.page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await person.sees('Instance 999');
    await person.page.getByLabel('Search your instances').fill('Instance 77');
    await person.sees('Instance 777');
    assert.ok((await rows()) < 40, `${await rows()} rows`);
    await person.leave();
});
