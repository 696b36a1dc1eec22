// The home of clients that register nowhere: each is known by the https URL of its document here.
//
//   node documents.mjs KEY CERTIFICATE REDIRECT_URI     says `listening PORT` when it is
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const [key, cert, redirect] = process.argv.slice(2);
const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
    const url = `https://${request.headers.host}${request.url}`;
    response.setHeader('content-type', 'application/json');
    response.setHeader('cache-control', 'max-age=300');
    response.end(
        JSON.stringify({
            client_id: url,
            client_name: `Document client ${request.url.slice(1)}`,
            redirect_uris: [redirect],
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            token_endpoint_auth_method: 'none',
        }),
    );
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
