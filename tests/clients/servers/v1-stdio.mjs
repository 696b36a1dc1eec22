// The server of the session era over standard input and output.
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';

import { makeServer } from './v1.mjs';

await makeServer().connect(new StdioServerTransport());
