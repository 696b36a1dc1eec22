import { OutsideProblem } from '../../_shared/problem.js';

/** Figma's refusal as a Problem. It answers 403 for a bad token as for a missing right. */
export async function problemOf(response) {
  const data = await response.json().catch(() => undefined);
  const said = String(data?.err ?? data?.message ?? '');
  if (response.status === 403 && /token/i.test(said)) {
    return new OutsideProblem('Figma', 403, said, { code: 'credential_refused' });
  }
  return new OutsideProblem('Figma', response.status, said);
}
