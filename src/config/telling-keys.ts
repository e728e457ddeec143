import { defaulting, optional } from './key.ts';
import { webAddress } from './addresses.ts';
import { certificateFile } from './files.ts';
import { flag, oneOf, pathOrStdout, ratio } from './kinds.ts';
import { webhooks } from './webhooks.ts';

/** What of what happens is told to whom. */
export const tellingKeys = {
  'metrics.repositories': defaulting(
    'false',
    flag,
    'Whether /metrics counts refusals by repository too: up to 200 names, which whoever reaches the admin listener may then read.',
  ),
  'log.level': defaulting(
    'info',
    oneOf(['trace', 'debug', 'info', 'warn', 'error']),
    'The least level that is logged.',
  ),
  'log.format': defaulting(
    'auto',
    oneOf(['auto', 'json', 'text']),
    'How it is written: a JSON object to a line, or text for people; auto: text on a terminal, JSON elsewhere.',
  ),
  'log.audit_file': optional(
    pathOrStdout,
    'Where every write that was denied, undecided, warned of or unlocked, and every change of a rule, is written down, a JSON line each; - is standard output. SIGHUP opens it anew.',
  ),
  webhooks: defaulting(
    '',
    webhooks,
    'Who is told of denied writes, changes of rules, unlocks and tampering, as CloudEvents signed with the secret of the file; { url, secret_file, events: [...], ca_file } in this file.',
  ),
  'tracing.endpoint': optional(
    webAddress,
    'Where spans of requests are sent (OTLP over HTTP, JSON), as http://collector:4318/v1/traces; absent: nothing is recorded, and what clients say of a trace is passed on.',
  ),
  'tracing.ca_file': optional(
    certificateFile,
    "Certificates (PEM) to trust, in place of the system's, for an https endpoint.",
  ),
  'tracing.sample_ratio': defaulting(
    '1',
    ratio,
    'How many of the traces that begin here are recorded; of the others the client says if they are.',
  ),
};
