// The Figma service: every user's Figma from one process.
import { toNodeHandler } from '@modelcontextprotocol/node';
import { ProtocolError, Server, createMcpHandler } from '@modelcontextprotocol/server';

import { serve } from '../_shared/serve.js';
import { baseUrl, readSettings } from '../_shared/settings.js';
import { createService } from './endpoints/service.js';

const settings = {
  ...readSettings(process.env),
  /** Figma's API. */
  apiUrl: baseUrl(process.env, 'FIGMA_API_URL', 'https://api.figma.com'),
};
serve(createService(settings), settings, { ProtocolError, Server, createMcpHandler, toNodeHandler });
