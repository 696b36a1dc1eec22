// The Slack service: every user's workspaces through one process, each call with its own instance's token.
import { toNodeHandler } from '@modelcontextprotocol/node';
import { ProtocolError, Server, createMcpHandler } from '@modelcontextprotocol/server';

import { serve } from '../_shared/serve.js';
import { baseUrl, readSettings } from '../_shared/settings.js';
import { createService } from './endpoints/service.js';

const settings = {
  ...readSettings(process.env),
  apiUrl: baseUrl(process.env, 'SLACK_API_URL', 'https://slack.com/api'),
};

serve(createService(settings), settings, { ProtocolError, Server, createMcpHandler, toNodeHandler });
