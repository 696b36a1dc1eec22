import { OutsideProblem, Problem } from '../../_shared/problem.js';

/** Octokit's error as a Problem: GitHub's words, and what the credential would need. */
export function rejectAsProblem(error) {
  if (error instanceof Problem) throw error;
  if (error.cause instanceof Problem) throw error.cause;
  if (error.response === undefined) throw error;
  const { status, headers, data } = error.response;
  throw new OutsideProblem('GitHub', status, words(data), hintOf(status, headers));
}

function words(data) {
  const errors = (Array.isArray(data?.errors) ? data.errors : []).map((one) =>
    typeof one === 'string' ? one : (one.message ?? [one.resource, one.field, one.code].filter(Boolean).join(' ')),
  );
  return [data?.message, ...errors].filter(Boolean).join('; ');
}

function hintOf(status, headers) {
  if (status !== 403 && status !== 404) return {};
  const signIn = /url=(\S+)/.exec(headers['x-github-sso'] ?? '')?.[1];
  if (signIn) return { hint: `The organization asks for single sign-on of this token: ${signIn}` };
  const needed = headers['x-accepted-github-permissions'] || headers['x-accepted-oauth-scopes'];
  if (status === 403 && needed) return { hint: `The token needs: ${needed}.` };
  return {};
}
