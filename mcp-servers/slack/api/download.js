import { OutsideProblem, Problem } from '../../_shared/problem.js';

/** `download(url, {token, signal})`: the bytes of a private file. The token goes to Slack's own hosts alone. */
export function createDownload(fetchOutside, apiUrl) {
  const isSlack = (url) => {
    const { origin, protocol, hostname } = new URL(url);
    return origin === new URL(apiUrl).origin || (protocol === 'https:' && /(^|\.)slack(-gov)?\.com$/.test(hostname));
  };

  return async function download(url, { token, signal }) {
    if (!URL.canParse(url) || !isSlack(url)) {
      throw new Problem(422, 'this file is kept outside Slack: open its permalink instead', { code: 'not_in_slack' });
    }
    const response = await fetchOutside(url, { headers: { authorization: `Bearer ${token}` }, signal });
    if (!response.ok) throw new OutsideProblem('Slack', response.status, response.statusText);
    const bytes = Buffer.from(await response.arrayBuffer());
    // To those who may not see it, Slack shows its sign-in page in place of the file.
    if (response.headers.get('content-type')?.startsWith('text/html')) return { bytes, isPage: true };
    return { bytes, isPage: false };
  };
}
