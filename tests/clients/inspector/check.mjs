// The command line of the MCP Inspector: one process per request, in each era. Reads what ../ts/checks.mjs reads.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ERAS = { session: 'legacy', stateless: 'modern', auto: 'auto' };
const PATIENCE_MS = 15_000;
const TOOLS = ['add', 'ask_model', 'ask_user', 'change_tools', 'echo', 'fail', 'list_roots', 'progress'];
const packages = fileURLToPath(new URL('node_modules/', import.meta.url));
const launcher = `${packages}@modelcontextprotocol/inspector/clients/launcher/build/index.js`;
// It needs a newer Node than many machines have: the one that npm installed beside it.
const node = `${packages}node-linux-${process.arch}/bin/node`;

function addressOf(target) {
    if (!target.url) return [target.command, ...target.args];
    const token = process.env.BERTH_TOKEN;
    return [target.url, '--transport', 'http', ...(token ? ['--header', `Authorization: Bearer ${token}`] : [])];
}

function inspect({ target, era }, method, ...options) {
    const args = [launcher, '--cli', ...addressOf(target), '--protocol-era', ERAS[era], '--method', method, ...options];
    return new Promise((resolve) => {
        execFile(node, [...args, '--format', 'json', '--quiet'], { timeout: PATIENCE_MS }, (error, stdout, stderr) => {
            const result = stdout.trim() ? JSON.parse(stdout).result : undefined;
            resolve({ code: error ? (error.code ?? error.signal) : 0, result, stderr: stderr.trim() });
        });
    });
}

async function answer(cell, method, ...options) {
    const { code, result, stderr } = await inspect(cell, method, ...options);
    assert.equal(code, 0, `${method}: exit ${code}: ${stderr}`);
    return result;
}

const call = (cell, tool, args) =>
    answer(cell, 'tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args));

const CHECKS = {
    // Only the newer era says for whom a result may be kept.
    async connect(cell) {
        const newer = cell.era === 'stateless' || (cell.era === 'auto' && cell.target.stateless);
        const { contents, cacheScope } = await answer(cell, 'resources/read', '--uri', 'test://greeting');
        cell.contents = contents;
        assert.equal(cacheScope !== undefined, newer, `cacheScope ${cacheScope}`);
    },
    async tools(cell) {
        const { tools } = await answer(cell, 'tools/list');
        assert.deepEqual(tools.map(({ name }) => name).filter((name) => name !== 'extra').sort(), TOOLS);
    },
    async echo(cell) {
        assert.equal((await call(cell, 'echo', { text: 'ünïcode' })).content[0].text, 'ünïcode');
    },
    async add(cell) {
        const { content, structuredContent } = await call(cell, 'add', { a: 19, b: 23 });
        assert.equal(content[0].text, '42');
        assert.deepEqual(structuredContent, { sum: 42 });
    },
    async resource({ contents }) {
        assert.equal(contents?.[0].text, 'Good morning.');
    },
    async prompt(cell) {
        const options = ['--prompt-name', 'summarize', '--prompt-args', 'subject=tides'];
        const { messages } = await answer(cell, 'prompts/get', ...options);
        assert.equal(messages[0].content.text, 'Summarize tides.');
    },
    async tool_error(cell) {
        const { code, result } = await inspect(cell, 'tools/call', '--tool-name', 'fail');
        assert.deepEqual([code, result?.content[0].text], [5, 'this tool always fails']);
    },
};

async function runCell(server, target, era) {
    const cell = { target, era };
    for (const [check, perform] of Object.entries(CHECKS)) {
        const line = { client: 'inspector', server, era, check, status: 'pass' };
        try {
            await perform(cell);
        } catch (error) {
            line.status = 'fail';
            line.detail = String(error.message).split('\n').slice(0, 3).join(' ');
        }
        appendFileSync(process.env.BERTH_RESULTS, `${JSON.stringify(line)}\n`);
        // Without a connection every further process would wait for nothing.
        if (line.status === 'fail' && check === 'connect') return;
    }
}

const targets = Object.entries(JSON.parse(process.env.BERTH_MATRIX));
for (const era of process.env.BERTH_ERAS.split(' ').filter((wanted) => wanted in ERAS)) {
    const reachable = targets.filter(([, target]) => era !== 'stateless' || target.stateless);
    await Promise.all(reachable.map(([server, target]) => runCell(server, target, era)));
}
