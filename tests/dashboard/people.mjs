// People with browsers: on a desk and on a phone, in the light and in the dark. What the browser complains about, a click
// and what axe finds is noted.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

import { PASSWORD } from './berth.mjs';

const AXE = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const PATIENCE_MS = 20_000;
export const DESK = { viewport: { width: 1440, height: 900 } };
export const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

let browser;
export async function openBrowser() {
    browser ??= await chromium.launch({
        executablePath: process.env.BERTH_CHROMIUM ?? '/usr/bin/chromium',
        args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
    return browser;
}
export const closeBrowser = () => browser?.close();

export class Person {
    static async with(berth, screen = DESK, { theme = 'light' } = {}) {
        const person = new Person();
        person.berth = berth;
        person.context = await (await openBrowser()).newContext({ ...screen, colorScheme: theme, baseURL: berth.url, permissions: screen.isMobile ? [] : ['clipboard-read', 'clipboard-write'] });
        person.context.setDefaultTimeout(PATIENCE_MS);
        person.page = await person.context.newPage();
        person.complaints = [];
        person.clicks = 0;
        person.page.on('pageerror', (error) => person.complaints.push(`${error.message} ${error.stack}`));
        person.page.on('console', (message) => {
            // That a request failed is the page's to say, not the console's.
            const isNoise = /Failed to load resource|ERR_|net::/.test(message.text());
            if (message.type() === 'error' && !isNoise) person.complaints.push(message.text());
        });
        return person;
    }

    /** Signs in with the page that is there; ends where that leads. */
    async signIn(email, path = '/app/') {
        if (path) await this.page.goto(path);
        await this.page.getByLabel('E-mail').fill(email);
        await this.page.getByLabel('Password').fill(PASSWORD);
        await this.click(this.page.getByRole('button', { name: 'Sign in', exact: true }));
        await this.heading();
        return this;
    }

    async click(locator) {
        this.clicks += 1;
        await locator.click();
    }

    button(name) {
        return this.page.getByRole('button', { name, exact: typeof name === 'string' });
    }

    link(name) {
        return this.page.getByRole('link', { name, exact: typeof name === 'string' });
    }

    sees(text) {
        return this.page.getByText(text).filter({ visible: true }).first().waitFor();
    }

    /** The page's heading, when it is `name` or any. */
    async heading(name) {
        const heading = this.page.getByRole('heading', { level: 1, name });
        await heading.waitFor();
        return heading.innerText();
    }

    async go(path, name) {
        await this.page.goto(path);
        return this.heading(name);
    }

    /** Nothing is wrong with the page: no complaint, nothing that axe finds, nothing wider than the screen. */
    async isWell(where = this.page.url()) {
        await this.page.evaluate(() => Promise.all(document.getAnimations().filter((one) => one.effect?.getTiming().iterations !== Infinity).map((one) => one.finished.catch(() => {}))));
        assert.deepEqual(this.complaints, [], `${where}: the browser complains`);
        const found = await this.page.evaluate(`${AXE};axe.run(document, { resultTypes: ['violations'] })`);
        const said = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html.slice(0, 200)} ${node.failureSummary}`).join(' | ')}`);
        assert.deepEqual(said, [], `${where}: axe`);
        const wider = await this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.ok(wider <= 0, `${where} is ${wider} px wider than the screen`);
        // A stylesheet that has just come axe copies into the page, which our policy rightly refuses.
        this.complaints = this.complaints.filter((complaint) => !complaint.startsWith('Applying inline style'));
        assert.equal(await this.page.locator('h1').count(), 1, `${where} has one heading`);
        assert.match(await this.page.title(), / · Berth$|^Berth$/, where);
    }

    leave() {
        return this.context.close();
    }
}
