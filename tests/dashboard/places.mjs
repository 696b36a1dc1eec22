// Every page there is, with something on it. A page that is added is added here: it is then looked at in both themes, on
// a desk and on a phone, and has its picture taken.

/** What there is to be seen. */
export async function furnish(berth) {
    const token = berth.tokenOf('ann@example.org');
    const echo = await berth.instance(token, { service: 'echo', label: 'Support desk' });
    const crash = await berth.instance(token, { service: 'crash' }, 'failed');
    await berth.instance(token, { service: 'keyed', credential: { value: 'ghp_good' } });
    const off = await berth.instance(token, { service: 'slow', label: 'Nightly reports' });
    await berth.api(token, 'POST', `/mcps/${off.id}/toggle`);
    await berth.api(token, 'POST', '/tokens', { name: 'CI', instances: [echo.id], expires_in_days: 30 });
    await berth.api(token, 'POST', `/mcps/${echo.id}/shares`, { email: 'bob@example.org', expires_in_days: 7 });
    for (const text of ['one', 'two', 'three']) await berth.api(token, 'POST', `/mcps/${echo.id}/tools/call`, { name: 'echo', arguments: { text } });
    const keyed = (await berth.api(token, 'GET', '/mcps')).items.find(({ service }) => service === 'keyed');
    return { echo, crash, keyed };
}

/** Name, path, and what is done there before one looks. */
export function places({ echo, crash, keyed }) {
    const of = (id, tab = '') => `/app/instances/${id}${tab && `/${tab}`}`;
    return [
        ['instances', '/app/'],
        ['catalog', '/app/catalog'],
        ['catalog-nothing', '/app/catalog?search=zzz'],
        ['catalog-add', '/app/catalog?add', (person) => person.page.getByRole('dialog').waitFor()],
        ['create', '/app/catalog/keyed/new'],
        ['connect', of(echo.id, 'connect'), async (person) => {
            await person.page.getByLabel('text').fill('hello');
            await person.button('Call echo').click();
            await person.page.locator('.result').waitFor();
        }],
        ['failed', of(crash.id, 'connect')],
        ['failed-change', of(crash.id, 'connect'), (person) => person.button('Change and try again').click()],
        ['overview', of(echo.id), (person) => person.page.locator('.limits').waitFor()],
        ['overview-failed', of(crash.id)],
        ['tools', of(echo.id, 'tools'), async (person) => {
            await person.page.locator('.tool summary').first().click();
            await person.page.getByLabel('Choose whoami').check();
        }],
        ['logs', of(echo.id, 'logs'), (person) => person.page.locator('.live').waitFor()],
        ['credentials', of(keyed.id, 'credentials')],
        ['credentials-replace', of(keyed.id, 'credentials'), (person) => person.button('Replace its value').click()],
        ['access', of(echo.id, 'access'), (person) => person.sees('bob@example.org')],
        ['settings', of(echo.id, 'settings')],
        ['delete', of(echo.id, 'settings'), (person) => person.button('Delete…').last().click()],
        ['history', of(crash.id, 'history'), (person) => person.sees('Failed')],
        ['notifications', '/app/', (person) => person.page.locator('.bell summary').click()],
        ['account-menu', '/app/', (person) => person.page.locator('summary[aria-label="Your account"]').click()],
        ['account', '/app/account'],
        ['admin', '/app/admin'],
        ['missing', '/app/nowhere'],
    ];
}

/** Goes there. */
export async function visit(person, [, path, prepare]) {
    await person.go(path);
    await person.page.locator('.skeleton, .skeleton-space').first().waitFor({ state: 'detached' });
    await prepare?.(person);
}
