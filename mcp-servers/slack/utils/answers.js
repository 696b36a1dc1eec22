import { Problem } from '../../_shared/problem.js';

/** What an answer must hold under `name`, as `view` shows it. */
export function part(answer, name, view) {
  const value = answer[name];
  if (value === null || typeof value !== 'object') throw malformed(name);
  return view(value);
}

/** The list that an answer must hold under `name`, each item as `view` shows it. */
export function parts(answer, name, view) {
  return part(answer, name, (list) => {
    if (!Array.isArray(list) || list.some((item) => item === null || typeof item !== 'object')) throw malformed(name);
    return list.map(view);
  });
}

const malformed = (name) =>
  new Problem(502, `Slack answered without ${name}. Try again later.`, { code: 'outside_malformed' });
