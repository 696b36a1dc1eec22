import { serveStdio } from '@modelcontextprotocol/server/stdio';

import { makeServer } from './v2.mjs';

serveStdio(() => makeServer(true));
