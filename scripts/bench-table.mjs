// Medians and ratios of scripts/bench.sh, each beside its aim. Reads the results, one JSON object a line.
import { readFileSync } from 'node:fs';

const rows = readFileSync(process.argv[2], 'utf8').trim().split('\n').map((line) => JSON.parse(line));

const median = (numbers) => {
    const sorted = [...numbers].sort((a, b) => a - b);
    return sorted.length % 2 ? sorted[(sorted.length - 1) / 2] : (sorted[sorted.length / 2 - 1] + sorted[sorted.length / 2]) / 2;
};
const of = (group, who, clients) => rows.filter((row) => row.group === group && row.who === who && row.clients === clients);
const pick = (group, who, clients, field) => {
    const found = of(group, who, clients).map((row) => (field === 'cpu' ? row.cpu[0].us_per_call : row[field]));
    return found.length ? median(found) : undefined;
};
const valueOf = (name) => rows.find((row) => row.group === 'values' && row.who === name)?.value;

function table(header, lines) {
    const all = [header, ...lines].map((line) => line.map((cell) => String(cell ?? '-')));
    const widths = header.map((_, column) => Math.max(...all.map((line) => line[column].length)));
    for (const line of all) console.log(line.map((cell, n) => (n ? cell.padStart(widths[n]) : cell.padEnd(widths[n]))).join('  '));
}
const round = (number, digits = 1) => number?.toFixed(digits);

function contest(group, yardstick, heading) {
    const names = [...new Set(rows.filter((row) => row.group === group).map((row) => row.who))];
    if (!names.length) return;
    console.log(`\n${heading}: medians; × is against ${yardstick}\n`);
    table(
        ['', 'p50 µs C=1', '×', 'p99 µs C=1', 'calls/s C=16', '×', 'CPU µs/call C=16', 'wrong', 'errors'],
        names.map((who) => {
            const p50 = pick(group, who, 1, 'p50_us');
            const rate = pick(group, who, 16, 'per_second');
            const sum = (field) => rows.filter((row) => row.group === group && row.who === who).reduce((total, row) => total + row[field], 0);
            return [
                who, round(p50), round(p50 / pick(group, yardstick, 1, 'p50_us'), 2), round(pick(group, who, 1, 'p99_us')),
                round(rate, 0), round(rate / pick(group, yardstick, 16, 'per_second'), 2), round(pick(group, who, 16, 'cpu')),
                sum('wrong'), sum('errors'),
            ];
        }),
    );
}

contest('calls', 'minimal', 'Calls over a stdio child');
contest('http', 'nginx', 'Calls over an HTTP child');
contest('shared', 'direct', 'Calls over a shared service');

function beginnings(group, yardstick, heading) {
    const names = [...new Set(rows.filter((row) => row.group === group).map((row) => row.who))];
    if (!names.length) return;
    console.log(`\n${heading}: medians of rounds; × is against ${yardstick}\n`);
    table(
        ['', 'p50 ms', '×', 'p50 more ms', 'p99 ms', 'errors'],
        names.map((who) => {
            const [p50, other] = [pick(group, who, 1, 'p50_us'), pick(group, yardstick, 1, 'p50_us')];
            const errors = of(group, who, 1).reduce((total, row) => total + row.errors, 0);
            return [who, round(p50 / 1000, 2), round(p50 / other, 2), round((p50 - other) / 1000, 2), round(pick(group, who, 1, 'p99_us') / 1000, 2), errors];
        }),
    );
}

beginnings('rooms', 'bare process', 'First call of a new session on server-memory');
beginnings('walls', 'walls off', 'First call of a new session on a tiny child');
beginnings('churn', 'berth', 'Many sessions in a row');
beginnings('control', 'one instance', 'Control plane with 1000 instances');

const values = rows.filter((row) => row.group === 'values');
if (values.length) {
    console.log('\nValues\n');
    table(['', ''], values.map((row) => [row.who, row.value]));
}

const ratio = (group, who, other, clients, field) => {
    const [mine, theirs] = [pick(group, who, clients, field), pick(group, other, clients, field)];
    return mine === undefined || theirs === undefined ? undefined : mine / theirs;
};
const slowest = pick('minute', 'berth', 16, 'max_us') / pick('minute', 'berth', 16, 'p50_us');
const more = (group, who, other) => {
    const [mine, theirs] = [pick(group, who, 1, 'p50_us'), pick(group, other, 1, 'p50_us')];
    return mine === undefined || theirs === undefined ? undefined : (mine - theirs) / 1000;
};
const control = rows.filter((row) => row.group === 'control').map((row) => row.p99_us / 1000);
const berth = rows.filter((row) => row.who === 'berth' && row.wrong !== undefined);
const aims = [
    ['p50 at 1 client ≤ 2.5 × the minimal handler', ratio('calls', 'berth', 'minimal', 1, 'p50_us'), (x) => x <= 2.5],
    ['rate at 16 clients ≥ 0.4 × the minimal handler', ratio('calls', 'berth', 'minimal', 16, 'per_second'), (x) => x >= 0.4],
    ['slowest call of a minute ≤ 100 × the median', Number.isNaN(slowest) ? undefined : slowest, (x) => x <= 100],
    ['HTTP child: p50 ≤ 1.3 × nginx', ratio('http', 'berth', 'nginx', 1, 'p50_us'), (x) => x <= 1.3],
    ['HTTP child: rate ≥ 0.8 × nginx', ratio('http', 'berth', 'nginx', 16, 'per_second'), (x) => x >= 0.8],
    ['shared service: p50 ≤ direct + 300 µs', (more('shared', 'berth', 'direct') ?? NaN) * 1000 || undefined, (x) => x <= 300],
    ['RSS with no instance ≤ 15360 KiB', valueOf('RSS with no instance (KiB)'), (x) => x <= 15360],
    ['RSS per instance ≤ 32 KiB', valueOf('RSS per instance (KiB)'), (x) => x <= 32],
    ['RSS per open session ≤ 16 KiB', valueOf('RSS per open session (KiB)'), (x) => x <= 16],
    ['start to first answer ≤ 100 ms', valueOf('start with an empty database (ms)'), (x) => x <= 100],
    ['first call with a spare ≤ 5 ms', pick('rooms', 'with a spare', 1, 'p50_us') / 1000 || undefined, (x) => x <= 5],
    ['first call without one ≤ bare + 10 ms', more('rooms', 'without a spare', 'bare process'), (x) => x <= 10],
    ['wake ≤ bare + 10 ms', more('rooms', 'wake', 'bare process'), (x) => x <= 10],
    ['walls ≤ 10 ms', more('walls', 'walls standard', 'walls off'), (x) => x <= 10],
    ['processes left by 1000 sessions = 0', valueOf('berth: processes more after 1000 sessions'), (x) => x <= 0],
    ['control plane with 1000 instances, p99 ≤ 20 ms', control.length ? Math.max(...control) : undefined, (x) => x <= 20],
    ['RSS with 1000 instances ≤ 61440 KiB', valueOf('RSS with 1000 instances, 100 awake (KiB)'), (x) => x <= 61440],
    ['sampling 200 instances ≤ 1 % of a core', valueOf('CPU of Berth with 200 idle instances, sampled every 5 s (% of a core)'), (x) => x <= 1],
    ['wrong answers of Berth = 0', berth.length ? berth.reduce((sum, row) => sum + row.wrong, 0) : undefined, (x) => x === 0],
    ['failed calls of Berth = 0', berth.length ? berth.reduce((sum, row) => sum + row.errors, 0) : undefined, (x) => x === 0],
];
console.log('\nAims\n');
table(
    ['', 'measured', ''],
    aims.filter(([, measured]) => measured !== undefined).map(([aim, measured, holds]) => [aim, +measured.toFixed(2), holds(measured) ? 'met' : 'MISSED']),
);
