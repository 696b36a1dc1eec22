// Judges what the suite wrote: prints a table, and fails when a run is not as expected.json says.
//
//   node report.mjs RESULTS_DIR RUN…      results of each run in RESULTS_DIR/RUN
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const [results, ...runs] = process.argv.slice(2);
const expected = JSON.parse(readFileSync(join(here, 'expected.json'), 'utf8'));

/** What a run may do without; a name instead: the same as that run. */
function exceptionsOf(run) {
    const { exceptions } = expected.runs[run];
    return typeof exceptions === 'string' ? exceptionsOf(exceptions) : exceptions;
}

/** The scenarios that a revision asks of servers: name to whether it is scored. */
function requirements(revision) {
    const file = join(here, 'node_modules/@modelcontextprotocol/conformance/requirements', `${revision}.yaml`);
    const text = readFileSync(file, 'utf8');
    const scenarios = new Map();
    const [, scored] = /^server:\n((?: {2}- .*\n)*)/m.exec(text) ?? [null, ''];
    for (const [, name] of scored.matchAll(/^ {2}- (\S+)$/gm)) scenarios.set(name, true);
    for (const [, name, leg] of text.matchAll(/^ {2}- scenario: (\S+)\n {4}leg: (\S+)$/gm)) {
        if (leg === 'server') scenarios.set(name, false);
    }
    if (scenarios.size === 0) throw new Error(`${file} names no scenario`);
    return scenarios;
}

/** Checks by scenario. */
function read(run) {
    const checks = new Map();
    const directory = join(results, run);
    for (const entry of existsSync(directory) ? readdirSync(directory) : []) {
        const [, scenario] = /^server-(.+)-\d{4}-\d{2}-\d{2}T[^/]*$/.exec(entry) ?? [];
        const file = join(directory, entry, 'checks.json');
        if (scenario && existsSync(file)) checks.set(scenario, JSON.parse(readFileSync(file, 'utf8')));
    }
    return checks;
}

const count = (checks, ...states) => checks.filter((check) => states.includes(check.status)).length;
const first = (text = '') => text.split('\n')[0].slice(0, 300);

/** What is wrong with a run, one sentence each. */
function complaints(run, wanted, scenarios, checks) {
    if (checks.size === 0) return ['did not take place'];
    const found = [];
    const exceptions = exceptionsOf(run);
    const used = new Set();
    for (const name of scenarios.keys()) if (!checks.has(name)) found.push(`${name} did not run`);
    for (const [scenario, list] of checks) {
        for (const check of list.filter((check) => ['FAILURE', 'WARNING'].includes(check.status))) {
            const excused = exceptions.some((entry) => entry.scenario === scenario && entry.checks.includes(check.id));
            if (excused) used.add(`${scenario} ${check.id}`);
            else found.push(`${scenario}: ${check.status} of ${check.id}: ${first(check.errorMessage)}`);
        }
    }
    const excused = exceptions.flatMap(({ scenario, checks }) => checks.map((check) => `${scenario} ${check}`));
    for (const what of excused.filter((what) => !used.has(what))) {
        found.push(`${what} passes: take it out of expected.json`);
    }
    const passed = count([...checks.values()].flat(), 'SUCCESS');
    if (passed < wanted.passed) found.push(`${passed} checks passed, ${wanted.passed} were expected`);
    return found;
}

const rows = new Map();
const totals = [];
const wrong = [];
for (const run of runs) {
    const wanted = expected.runs[run];
    const scenarios = requirements(wanted.requirements);
    const checks = read(run);
    const sum = { true: [0, 0, 0], false: [0, 0, 0] };
    for (const [name, scored] of scenarios) {
        const list = checks.get(name) ?? [];
        const numbers = [count(list, 'SUCCESS'), count(list, 'FAILURE'), count(list, 'WARNING')];
        numbers.forEach((number, i) => (sum[scored][i] += number));
        const label = scored ? name : `${name} (unscored)`;
        const cell = checks.has(name) ? `${numbers[0]}/${numbers[1]}${numbers[2] ? ` ${numbers[2]}w` : ''}` : '-';
        rows.set(label, { ...rows.get(label), [run]: cell });
    }
    const text = ([passed, failed, warned]) => `${passed} passed, ${failed} failed, ${warned} warnings`;
    totals.push(`${run}: ${wanted.requirements} on ${wanted.child}: scored ${text(sum.true)}; unscored ${text(sum.false)}`);
    for (const sentence of complaints(run, wanted, scenarios, checks)) wrong.push(`${run}: ${sentence}`);
}

const width = Math.max(...[...rows.keys()].map((name) => name.length));
console.log(`${'passed/failed'.padEnd(width)}  ${runs.map((run) => run.padEnd(7)).join('')}`);
for (const [name, cells] of rows) {
    console.log(`${name.padEnd(width)}  ${runs.map((run) => (cells[run] ?? '').padEnd(7)).join('')}`.trimEnd());
}
console.log(`\n${totals.join('\n')}`);
// What several runs do without, for one reason, is told once.
const without = new Map();
for (const run of runs) {
    for (const { scenario, checks, reason } of exceptionsOf(run)) {
        const told = without.get(reason) ?? { runs: new Set(), scenarios: new Map() };
        told.runs.add(run);
        told.scenarios.set(scenario, checks.length);
        without.set(reason, told);
    }
}
for (const [reason, { runs, scenarios }] of without) {
    const what = [...scenarios].map(([scenario, checks]) => `${scenario} (${checks})`).join(', ');
    console.log(`  ${[...runs].join(', ')} without checks of ${what}: ${reason}`);
}
if (wrong.length > 0) {
    console.log(`\nNot as expected:\n${wrong.map((sentence) => `  ${sentence}`).join('\n')}`);
    process.exit(1);
}
console.log('\nas expected');
