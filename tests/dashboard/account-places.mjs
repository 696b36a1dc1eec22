// The pages of the account and of administration, with something on them; see places.mjs.

/** What there is to be seen on them. */
export async function furnishAccount(berth) {
    const token = berth.tokenOf('ann@example.org');
    const api = (method, path, body) => berth.api(token, method, path, body);
    const echo = await berth.instance(token, { service: 'echo', label: 'Front desk' });
    const key = await api('POST', '/credentials', { service: 'keyed', label: 'Of the team', value: 'ghp_good' });
    await berth.instance(token, { service: 'keyed', credential: { id: key.id } });
    await api('POST', '/tokens', { name: 'Builds', instances: [echo.id], expires_in_days: 30 });
    await api('POST', '/oauth/clients', { name: 'Nightly job', grant_types: ['client_credentials'], owner: (await api('GET', '/me')).id });
    await api('POST', '/webhooks', { url: `${berth.github.url}/hook` });
    await api('POST', `/mcps/${echo.id}/tools/call`, { name: 'echo', arguments: { text: 'counted' } });
    const user = (await api('GET', '/users')).items.find(({ email }) => email === 'bob@example.org');
    const group = await api('POST', '/groups', { name: 'Support', description: 'Who answers customers', quota: { running: 10, calls_per_day: 5000 } });
    await api('PUT', `/groups/${group.id}/members/${user.id}`);
    return { echo, user, group };
}

const press = (name) => (person) => person.button(name).first().click();

/** Name, path, and what is done there before one looks. */
export function accountPlaces({ user, group }) {
    const account = (tab = '') => `/app/account${tab && `/${tab}`}`;
    const admin = (tab = '') => `/app/admin${tab && `/${tab}`}`;
    return [
        ['account-overview', account(), (person) => person.sees('Made in the last hour')],
        ['account-credentials', account('credentials'), (person) => person.sees('Of the team')],
        ['account-credentials-add', account('credentials'), press('Add a credential')],
        ['account-tokens', account('tokens'), (person) => person.sees('Builds')],
        ['account-tokens-new', account('tokens'), press('New token')],
        ['account-apps', account('apps'), (person) => person.sees('Nightly job')],
        ['account-security', account('security'), (person) => person.sees('This one')],
        ['account-second-factor', account('security'), async (person) => {
            await press('Set up')(person);
            await person.page.locator('.qr').waitFor();
        }],
        ['account-notifications', account('notifications'), (person) => person.sees('An instance failed')],
        ['account-webhooks', account('webhooks'), (person) => person.sees(/^Added /)],
        ['account-activity', account('activity'), (person) => person.sees('Webhook: create')],
        ['account-nowhere', account('nowhere')],
        ['admin-health', admin(), (person) => person.sees('How limits hold on this machine')],
        ['admin-instances', admin('instances'), (person) => person.sees('Front desk')],
        ['admin-instances-nothing', admin('instances?search=zzz'), (person) => person.sees('Nothing fits')],
        ['admin-services', admin('services'), (person) => person.sees('Slow starter')],
        ['admin-users', admin('users'), (person) => person.sees('bob@example.org')],
        ['admin-users-new', admin('users'), press('New user')],
        ['admin-user', admin(`users/${user.id}`), (person) => person.sees('What this account may')],
        ['admin-groups', admin('groups'), (person) => person.sees('Who answers customers')],
        ['admin-group', admin(`groups/${group.id}`), (person) => person.sees('What it gives its members')],
        ['admin-usage', admin('usage'), (person) => person.page.locator('.chart canvas').first().waitFor()],
        ['admin-audit', admin('audit'), async (person) => {
            await press('Verify the chain')(person);
            await person.sees(/The chain holds/);
        }],
        ['admin-settings', admin('settings'), (person) => person.sees('Ports for instances')],
    ];
}
