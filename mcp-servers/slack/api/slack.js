// Slack's own client, one for each call. Retries, rate limits and time-outs are those of all services:
// the client's own would wait for half an hour.
import { WebClient } from '@slack/web-api';

import { createFetch } from '../../_shared/outside.js';
import { toProblem } from '../middleware/errors.js';
import { createDownload } from './download.js';

/** Methods that only read: these may be sent twice. Slack takes all of them as POST. */
const READING = /\/(auth\.test|[a-zA-Z]+\.(list|info|history|replies|lookupByEmail)|search\.messages)$/;

const nothing = () => {};
/** Slack's client would log what it sends and gets. */
const SILENT = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  setLevel: nothing,
  setName: nothing,
  getLevel: () => 'error',
};

/**
 * `(context) => ({ call, download })`. `call(method, input)` is a method of the Web API, `download(url)` the
 * bytes of a private file. Both throw Problems.
 */
export function createConnect({ apiUrl, outside }) {
  const isSafe = (method, url) => method === 'GET' || READING.test(url);
  const fetchOutside = createFetch({ service: 'Slack', settings: outside, isSafe });
  const download = createDownload(fetchOutside, apiUrl);

  return function connect(context) {
    const { signal, token } = context;
    const client = new WebClient(token, {
      slackApiUrl: apiUrl,
      fetch: (url, init) => fetchOutside(url, { ...init, signal }),
      logger: SILENT,
      rejectRateLimitedCalls: true,
      retryConfig: { retries: 0 },
      allowAbsoluteUrls: false,
    });
    const call = async (method, input = {}) => {
      try {
        return await client.apiCall(method, input);
      } catch (error) {
        throw toProblem(error);
      }
    };
    return { call, download: (url) => download(url, { token, signal }) };
  };
}
