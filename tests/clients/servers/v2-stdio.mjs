// The server of both eras over standard input and output: the SDK says which one a connection opens with.
import { serveStdio } from '@modelcontextprotocol/server/stdio';

import { makeServer } from './v2.mjs';

serveStdio(() => makeServer(true));
