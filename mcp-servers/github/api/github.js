// GitHub's API by its own client. Retries and waits are those of `_shared`: the plugins of Octokit for
// them keep queues in their module, which all users would share.
import { Octokit } from '@octokit/core';
import { restEndpointMethods } from '@octokit/plugin-rest-endpoint-methods';

import { createFetch } from '../../_shared/outside.js';
import { rejectAsProblem } from '../middleware/errors.js';

const Client = Octokit.plugin(restEndpointMethods);

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** `connect(context)`: a client with the credential of one request, for that request. */
export function createConnect(settings) {
  const fetch = createFetch({ service: 'GitHub', settings: settings.outside });
  return (context) => {
    const client = new Client({
      auth: context.token,
      baseUrl: settings.apiUrl,
      userAgent: 'berth-github',
      log: SILENT,
      request: { fetch, signal: context.signal },
    });
    client.hook.error('request', rejectAsProblem);
    return client;
  };
}
