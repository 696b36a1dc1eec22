// Whether every check that is expected has run and passed, and none has failed.
//
//   node report.mjs expected.txt results
import { readFileSync } from 'node:fs';

const [expected, results] = process.argv.slice(2).map((path) => readFileSync(path, 'utf8').trim().split('\n'));
const outcomes = results.filter(Boolean).map((line) => JSON.parse(line));
const nameOf = ({ client, check }) => `${client}: ${check}`;
const failed = outcomes.filter(({ problem }) => problem).map(nameOf);
const passed = new Set(outcomes.filter(({ problem }) => !problem).map(nameOf));
const missing = expected.filter((name) => !passed.has(name) && !failed.includes(name));
for (const name of failed) console.log(`FAILED:  ${name}`);
for (const name of missing) console.log(`MISSING: ${name}`);
console.log(`${passed.size} of ${expected.length} checks passed`);
process.exit(failed.length || missing.length ? 1 : 0);
