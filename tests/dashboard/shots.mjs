// Pictures of every page: `node shots.mjs DIRECTORY`. Names: page-screen-theme.png.
import { join } from 'node:path';

import { Berth } from './berth.mjs';
import { DESK, PHONE, Person, closeBrowser } from './people.mjs';
import { furnish, places, visit } from './places.mjs';

const [folder] = process.argv.slice(2);
const berth = await Berth.start();
try {
    const things = await furnish(berth);
    const tablet = { viewport: { width: 768, height: 1024 } };
    for (const [screenName, screen] of Object.entries({ desk: DESK, tablet, phone: PHONE })) {
        for (const theme of ['light', 'dark']) {
            const person = await Person.with(berth, screen, { theme });
            if (screenName !== 'tablet') {
                await person.page.goto('/login');
                await person.page.screenshot({ path: join(folder, `login-${screenName}-${theme}.png`) });
            }
            await person.signIn('ann@example.org');
            for (const place of places(things)) {
                await visit(person, place);
                await person.page.waitForTimeout(250);
                await person.page.screenshot({ path: join(folder, `${place[0]}-${screenName}-${theme}.png`), fullPage: true });
            }
            await person.leave();
        }
    }
} finally {
    await closeBrowser();
    await berth.end();
}
