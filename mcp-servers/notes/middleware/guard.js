import { localhostHostValidation, localhostOriginValidation } from '@modelcontextprotocol/node';

const hostIsLoopback = localhostHostValidation();
const originIsLoopback = localhostOriginValidation();

/**
 * Lets only requests through that name this host: a page of some web site that resolves its own
 * name to 127.0.0.1 is refused with 403. Answers the refused ones itself.
 */
export function isFromThisHost(request, response) {
  return hostIsLoopback(request, response) && originIsLoopback(request, response);
}
