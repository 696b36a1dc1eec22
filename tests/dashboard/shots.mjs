// Pictures of every page, or of those named: `node shots.mjs DIRECTORY [PAGE…]`. Names: page-screen-theme.png.
import { join } from 'node:path';

import { Berth } from './berth.mjs';
import { DESK, PHONE, Person, closeBrowser } from './people.mjs';
import { furnish, places, visit } from './places.mjs';

const [folder, ...wanted] = process.argv.slice(2);
const isWanted = ([name]) => wanted.length === 0 || wanted.includes(name);
const berth = await Berth.start();
try {
    const things = await furnish(berth);
    const tablet = { viewport: { width: 768, height: 1024 } };
    for (const [screenName, screen] of Object.entries({ desk: DESK, tablet, phone: PHONE })) {
        for (const theme of ['light', 'dark']) {
            const person = await Person.with(berth, screen, { theme });
            if (screenName !== 'tablet' && isWanted(['login'])) {
                await person.page.goto('/login');
                await person.page.screenshot({ path: join(folder, `login-${screenName}-${theme}.png`) });
            }
            await person.signIn('ann@example.org');
            for (const place of places(things).filter(isWanted)) {
                await visit(person, place);
                // As high as the page, so that what is fixed to the screen is where its end is.
                const height = await person.page.evaluate(() => document.documentElement.scrollHeight);
                await person.page.setViewportSize({ ...screen.viewport, height: Math.min(Math.max(height, screen.viewport.height), 3000) });
                await person.page.waitForTimeout(300);
                await person.page.screenshot({ path: join(folder, `${place[0]}-${screenName}-${theme}.png`) });
                await person.page.setViewportSize(screen.viewport);
            }
            await person.leave();
        }
    }
} finally {
    await closeBrowser();
    await berth.end();
}
