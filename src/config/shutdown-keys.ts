import { defaulting } from './key.ts';
import { integer } from './kinds.ts';

/** What happens between SIGTERM and the end. */
export const shutdownKeys = {
  'shutdown.delay_seconds': defaulting(
    '0',
    integer('SECONDS', 0, 3_600),
    'How long it goes on accepting connections, no longer ready, so that whoever sends clients here stops first.',
  ),
  'shutdown.timeout_seconds': defaulting(
    '60',
    integer('SECONDS', 0, 86_400),
    'How long what runs then has to come to its end, uploads above all; then it is cut.',
  ),
};
