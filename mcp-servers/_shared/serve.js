// The life of a service's process: listen, serve, end gracefully.
import { createApp } from './app.js';
import { log } from './log.js';

/** How long open requests may take to end after SIGTERM. */
const GRACE_MS = 5000;

/** Serves until SIGTERM or SIGINT. See README.md for the shape of `service` and `sdk`. */
export function serve(service, settings, sdk) {
  const app = createApp(service, settings, sdk);
  if (!settings.gatewaySecret) log.error('no BERTH_GATEWAY_SECRET: every instance is refused');

  app.server.on('error', (error) => {
    log.error('cannot listen', { host: settings.host, port: settings.port, error: error.message });
    process.exit(1);
  });
  app.server.listen(settings.port, settings.host, () => {
    const { address, port } = app.server.address();
    log.info('listening', { service: service.name, address, port, tools: service.tools.length });
  });

  let stopping = false;
  async function stop(signal) {
    if (stopping) return;
    stopping = true;
    log.info('stopping', { signal });
    setTimeout(() => process.exit(1), GRACE_MS).unref();
    await app.close();
    process.exit(0);
  }
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
