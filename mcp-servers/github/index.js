// The GitHub service: every user's GitHub from one process.
import { toNodeHandler } from '@modelcontextprotocol/node';
import { ProtocolError, Server, createMcpHandler } from '@modelcontextprotocol/server';

import { serve } from '../_shared/serve.js';
import { baseUrl, readSettings } from '../_shared/settings.js';
import { createService } from './endpoints/service.js';

const settings = {
  ...readSettings(process.env),
  /** GitHub's API, or that of a GitHub Enterprise server: `https://HOST/api/v3`. */
  apiUrl: baseUrl(process.env, 'GITHUB_API_URL', 'https://api.github.com'),
};
serve(createService(settings), settings, { ProtocolError, Server, createMcpHandler, toNodeHandler });
