// A Berth of one's own: started, restarted and ended here, with services whose behaviour is known.
import { spawn, execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const { BERTH_BIN, BERTH_FAKE, BERTH_WORK } = process.env;
const ROOT = new URL('../..', import.meta.url).pathname;
export const PASSWORD = 'a long enough password';
const PATIENCE_MS = 30_000;

/** Asks again until there is an answer. */
export async function until(what, look, patience = PATIENCE_MS) {
    const deadline = Date.now() + patience;
    for (;;) {
        const found = await look();
        if (found) return found;
        if (Date.now() > deadline) throw new Error(`waited too long for ${what}`);
        await pause(50);
    }
}

const freePort = () =>
    new Promise((done) => {
        const server = createServer().listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => done(port));
        });
    });

function service(folder, name, about, args, more = '') {
    mkdirSync(join(folder, name), { recursive: true });
    const list = JSON.stringify(args);
    writeFileSync(
        join(folder, name, 'service.toml'),
        `name = "${name}"\ndisplay_name = "${about[0]}"\ndescription = "${about[1]}"\ntransport = "stdio"\n` +
            `modes = ["dedicated", "session"]\n[launch]\nkind = "command"\ncommand = "${BERTH_FAKE}"\nargs = ${list}\n${more}`,
    );
}

const keyed = (api) => `[credential]\nkind = "personal_access_token"\nenv = "TOKEN"\nlabel = "Access token"
help = "Ask https://example.com/tokens for one."\ncheck = { url = "${api}/user", header = "Authorization", scheme = "Bearer {credential}", reason = "message" }\n`;

export class Berth {
    /** Starts one, with an administrator `ann@example.org` and users `bob@…` and `new@…`. */
    static async start() {
        const berth = new Berth();
        berth.folder = mkdtempSync(join(BERTH_WORK, 'berth-'));
        execFileSync('chmod', ['755', berth.folder]);
        const services = join(berth.folder, 'services');
        berth.github = await standIn(berth.folder, 'github', '--token', 'ghp_good=alice');
        service(services, 'echo', ['Echo', 'Says what it is told.'], ['--say', 'ready to echo']);
        service(services, 'slow', ['Slow starter', 'Takes a moment to start.'], ['--say', 'warming up', '--slow-start', '1500']);
        service(services, 'keyed', ['Keyed', 'Needs an access token.'], [], keyed(berth.github.url));
        const field = '[[config]]\nname = "MODE"\nlabel = "Mode"\nhelp = "Try: --say"\ndefault = "--exit"\n';
        service(services, 'crash', ['Crashing server', 'Ends as soon as it starts.'], ['--say', 'fatal: no configuration', '{config.MODE}', '3'], field);
        const port = await freePort();
        berth.url = `http://127.0.0.1:${port}`;
        berth.env = {
            ...process.env, BERTH_DATA_DIR: join(berth.folder, 'data'), BERTH_LISTEN: `127.0.0.1:${port}`, BERTH_PUBLIC_URL: berth.url,
            BERTH_SERVICES_DIR: services, BERTH_ALLOW_PRIVATE_TARGETS: '127.0.0.1',
        };
        mkdirSync(berth.env.BERTH_DATA_DIR);
        await berth.up();
        berth.addUser('ann@example.org', '--admin');
        for (const name of ['bob', 'new']) berth.addUser(`${name}@example.org`);
        return berth;
    }

    async up() {
        const log = openSync(join(this.folder, 'log'), 'a');
        this.process = spawn(BERTH_BIN, ['serve'], { env: this.env, stdio: ['ignore', log, log] });
        await until('Berth to come up', () => fetch(`${this.url}/health`).then((answer) => answer.ok, () => false));
    }

    async down() {
        const ended = new Promise((done) => this.process.once('exit', done));
        this.process.kill('SIGTERM');
        await ended;
    }

    async end() {
        this.github.process.kill();
        await this.down();
    }

    cli(args, input = '') {
        return execFileSync(BERTH_BIN, args, { env: this.env, input, encoding: 'utf8' }).trim();
    }

    addUser(email, ...flags) {
        this.cli(['user', 'add', email, ...flags, '--password-stdin'], PASSWORD);
    }

    tokenOf(email) {
        return this.cli(['token', 'create', '--user', email]);
    }

    /** Asks the API as somebody. */
    async api(token, method, path, body) {
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
        const answer = await fetch(`${this.url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
        const text = await answer.text();
        if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
        return text ? JSON.parse(text) : null;
    }

    /** An instance that is in one of these states. */
    async instance(token, body, ...states) {
        const { id } = await this.api(token, 'POST', '/mcps', body);
        const wanted = states.length ? states : ['running'];
        return until(`${body.service} to be ${wanted}`, async () => {
            const view = await this.api(token, 'GET', `/mcps/${id}`);
            return wanted.includes(view.status) && view;
        });
    }

    get log() {
        return readFileSync(join(this.folder, 'log'), 'utf8');
    }
}

/** A stand-in of an outside service. */
export async function standIn(folder, name, ...args) {
    const out = join(folder, `${name}.json`);
    const child = spawn('node', [`tests/stand-ins/${name}.mjs`, ...args], { cwd: ROOT, stdio: ['ignore', openSync(out, 'w'), 'ignore'] });
    const said = await until(`the stand-in of ${name}`, () => readFileSync(out, 'utf8').trim());
    return { process: child, url: JSON.parse(said.split('\n')[0]).url };
}
