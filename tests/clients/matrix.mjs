// The table of client × server × era, from the lines that the clients wrote. A check that is neither passed nor
// excused here fails the run, also when its client never came to it.
//
// BERTH_MATRIX, BERTH_ERAS, BERTH_RESULTS: what the clients were given.
import { readFileSync } from 'node:fs';

const CLIENTS = ['python-1', 'python-2', 'ts-1', 'ts-2', 'rmcp-3', 'inspector'];
const ERAS = ['session', 'stateless', 'auto'];
const CHECKS = [
    'connect',
    'tools',
    'echo',
    'add',
    'progress',
    'elicit_accept',
    'elicit_decline',
    'sampling',
    'roots',
    'resource',
    'prompt',
    'tool_error',
    'list_changed',
    'apart',
    'end',
];

// What cannot be, and why. `optional`: it may as well succeed.
const EXCUSED = [
    {
        applies: ({ client, era }) => ['python-1', 'ts-1'].includes(client) && era !== 'session',
        reason: 'the first line of the SDKs knows the session era alone',
    },
    {
        applies: ({ era, target }) => era === 'stateless' && !target.stateless,
        reason: 'asked directly, a server of the session era does not speak the newer one',
    },
    {
        applies: ({ client, check }) =>
            client === 'inspector' && ['elicit_accept', 'elicit_decline', 'sampling', 'apart'].includes(check),
        reason: "the Inspector's command line has nobody to ask, and does not say that it could",
    },
    {
        applies: ({ client, check }) => client === 'inspector' && check === 'roots',
        reason: "the Inspector's command line has no roots",
    },
    {
        applies: ({ client, check }) => client === 'inspector' && ['progress', 'list_changed'].includes(check),
        reason: "the Inspector's command line prints results, not notifications",
    },
    {
        applies: ({ client, check }) => client === 'inspector' && check === 'end',
        reason: "the Inspector's command line does not end its sessions",
    },
    {
        applies: ({ client, target }) => client === 'rmcp-3' && target.command,
        reason: 'rmcp is built here for HTTP alone',
    },
    {
        applies: ({ client, target, check }) => client.startsWith('ts-') && target.command && check === 'progress',
        reason: 'over stdio, the TypeScript clients lose progress that is read together with the result',
        optional: true,
    },
];

const targets = JSON.parse(process.env.BERTH_MATRIX);
const eras = ERAS.filter((era) => process.env.BERTH_ERAS.split(' ').includes(era));
const lines = readFileSync(process.env.BERTH_RESULTS, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
const keyOf = ({ client, server, era, check }) => [client, server, era, check].join(' ');
const results = new Map(lines.map((line) => [keyOf(line), line]));
const failures = [];
const reasons = [];

// One check: whether it passed, failed or is excused.
function judge(at) {
    const line = results.get(keyOf(at));
    const excuse = EXCUSED.find(({ applies }) => applies(at));
    if (excuse && !(excuse.optional && line?.status === 'pass')) {
        if (!reasons.includes(excuse.reason)) reasons.push(excuse.reason);
        if (line?.status !== 'pass') return `-${reasons.indexOf(excuse.reason) + 1}`;
        failures.push({ ...at, detail: `it passed, although ${excuse.reason}` });
        return 'FAIL';
    }
    if (line?.status === 'pass') return 'pass';
    failures.push({ ...at, detail: line?.detail ?? 'the client never came to it' });
    return 'FAIL';
}

// `pass`, with the numbers of what the client cannot do; `FAIL` with how many; `-` when nothing could be.
function cell(client, server, era) {
    const verdicts = CHECKS.map((check) => judge({ client, server, era, check, target: targets[server] }));
    const excuses = [...new Set(verdicts.filter((verdict) => verdict.startsWith('-')))].map((verdict) => verdict.slice(1));
    const noted = excuses.length ? ` (${excuses.join(',')})` : '';
    const failed = verdicts.filter((verdict) => verdict === 'FAIL').length;
    if (failed) return `FAIL ${failed}/${CHECKS.length}`;
    return (verdicts.includes('pass') ? 'pass' : '-') + noted;
}

const servers = Object.keys(targets);
const rows = CLIENTS.flatMap((client) =>
    eras.map((era) => [client, era, ...servers.map((server) => cell(client, server, era))]),
);
const table = [['client', 'era', ...servers], ...rows];
const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
for (const row of table) console.log(row.map((text, column) => text.padEnd(widths[column])).join('  ').trimEnd());
if (reasons.length) console.log('');
reasons.forEach((reason, index) => console.log(`(${index + 1}) ${reason}`));

for (const { client, server, era, check, detail } of failures) {
    const line = detail.replace(/\s+/g, ' ').slice(0, 400);
    console.error(`FAILED: client ${client}, server ${server}, era ${era}, ${check}: ${line}`);
}
process.exitCode = failures.length ? 1 : 0;
