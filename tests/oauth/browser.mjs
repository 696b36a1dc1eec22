// A person with a browser, for clients in any language: what they would open, is opened here in Chromium, and what their
// loopback redirect would get, is answered.
//
//   POST /open {url}                    signs in where that is asked, consents, and answers {query} of the redirect
//   POST /open {url, deny: true}        denies instead
//   POST /open {url, readOnly: true}    consents to reading alone
//
// BERTH_EMAIL and BERTH_PASSWORD sign in. BERTH_SHOTS: directory for a picture of each page. Says `listening PORT` when it is.
import { createServer } from 'node:http';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const PATIENCE_MS = 20_000;
const { BERTH_EMAIL, BERTH_PASSWORD, BERTH_SHOTS, BERTH_CHROMIUM = '/usr/bin/chromium' } = process.env;

const browser = await chromium.launch({
    executablePath: BERTH_CHROMIUM,
    args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
    ],
});
if (BERTH_SHOTS) mkdirSync(BERTH_SHOTS, { recursive: true });

async function shoot(page, name) {
    if (BERTH_SHOTS) await page.screenshot({ path: join(BERTH_SHOTS, `${name}.png`), fullPage: true });
}

// A browser that nobody has used before: it must sign in.
async function open({ url, deny = false, readOnly = false }) {
    const context = await browser.newContext({ colorScheme: 'light' });
    context.setDefaultTimeout(PATIENCE_MS);
    try {
        const page = await context.newPage();
        const complaints = [];
        page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
        await page.goto(url);
        if (new URL(page.url()).pathname.endsWith('/login')) {
            await shoot(page, 'login');
            await page.getByLabel('E-mail', { exact: false }).first().fill(BERTH_EMAIL);
            await page.getByLabel('Password').fill(BERTH_PASSWORD);
            await page.getByRole('button', { name: 'Sign in', exact: true }).click();
        }
        const decide = page.getByRole('button', { name: deny ? 'Deny' : 'Allow', exact: true });
        await decide.waitFor();
        if (readOnly) await page.getByLabel('Read only', { exact: false }).check();
        await shoot(page, 'consent');
        const landed = page.waitForURL((landing) => landing.pathname === '/callback');
        await decide.click();
        await landed;
        if (complaints.length) throw new Error(`the browser complains: ${complaints.join('; ')}`);
        return { query: new URL(page.url()).search.slice(1) };
    } catch (error) {
        const [page] = context.pages();
        const text = await page?.innerText('body').catch(() => '');
        throw new Error(`${error.message}\nat ${page?.url()}:\n${text}`);
    } finally {
        await context.close();
    }
}

async function bodyOf(request) {
    let text = '';
    for await (const chunk of request) text += chunk;
    return JSON.parse(text);
}

const server = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    if (path === '/favicon.ico') return response.writeHead(204).end();
    if (path === '/callback') return response.end('You may close this window.');
    if (request.method !== 'POST' || path !== '/open') return response.writeHead(404).end();
    try {
        response.end(JSON.stringify(await open(await bodyOf(request))));
    } catch (error) {
        response.writeHead(500).end(JSON.stringify({ error: error.message }));
    }
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, async () => {
        await browser.close();
        process.exit(0);
    });
}
