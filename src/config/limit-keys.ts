import { defaulting } from './key.ts';
import { integer } from './kinds.ts';

const count = integer('COUNT', 0, 1_000_000);

/** Each process counts for itself; 0 is no limit. */
export const limitKeys = {
  'limits.connections': defaulting('0', count, 'How many connections are open at once; 0: no limit.'),
  'limits.connections_per_address': defaulting(
    '0',
    count,
    'How many of them one address may have, a /64 network of IPv6 counting as one; trusted proxies may have any number.',
  ),
  'limits.uploads': defaulting('0', count, 'How many requests may send content at once; 0: no limit.'),
  'limits.uploads_per_caller': defaulting('0', count, 'How many of these may be of one caller.'),
  'limits.requests_per_second': defaulting(
    '0',
    count,
    'How many requests a caller may send in the long run: a verified subject, else an address. 0: no limit; beyond it the answer is 429.',
  ),
  'limits.request_burst': defaulting(
    '100',
    integer('COUNT', 1, 1_000_000),
    'How many requests may come at once that were saved up before.',
  ),
  'limits.body_bytes_per_second': defaulting(
    '100',
    integer('BYTES', 0, 1_000_000),
    'What a body that is not whole must bring, over one and a half idle timeouts of the upstream, not to be cut; 0: a byte now and then is enough.',
  ),
  'limits.header_timeout_seconds': defaulting(
    '60',
    integer('SECONDS', 1, 3_600),
    'How long a client may take to send the head of a request, and before that to set up TLS.',
  ),
  'limits.keep_alive_seconds': defaulting(
    '100',
    integer('SECONDS', 1, 3_600),
    'How long a connection may wait for the next request; longer than clients keep one (90), so that they close it and not we.',
  ),
};
