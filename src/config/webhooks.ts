import { eventTypes, type EventType } from '../core/cloud-event.ts';
import { webAddress } from './addresses.ts';
import { Invalid } from './complaints.ts';
import type { Entry } from './entry.ts';
import { certificateFile, readText } from './files.ts';
import { listOf, path, type Kind } from './kinds.ts';
import { Secret } from './secret.ts';
import { parseWebhookKeys } from './webhook-keys.ts';

/** Who is told of events. */
export interface WebhookConfig {
  readonly url: string;
  readonly events: readonly EventType[];
  /** Read again on SIGHUP. */
  readonly secretFile: string;
  /** What it held. */
  readonly secret: Secret;
  /** Absent: the system's certificates are trusted. */
  readonly ca?: string;
}

/** What nobody asked for who only wants to hear of what went wrong: what passed, and what may be tried again. */
const onlyIfAsked: readonly EventType[] = ['write.undecided', 'write.warned'];
const usualEvents = eventTypes.filter((type) => !onlyIfAsked.includes(type));

/** `{ url, secret_file, events, ca_file }`; in a flag or a variable `URL SECRET_FILE`. */
export const webhooks: Kind<readonly WebhookConfig[]> = listOf({
  placeholder: 'URL SECRET_FILE',
  fromText: (text, directory) => {
    const [url = '', file, ...rest] = text.split(/ +/);
    if (file === undefined || rest.length > 0)
      throw new Invalid(
        'must be a URL and a file, as "https://hooks.example/tagwarden /run/secrets/webhook"',
      );
    return {
      ...{ url: webAddress.fromText(url, directory), events: usualEvents },
      ...openSecret(file, directory),
    };
  },
  fromEntry: readWebhook,
  toYaml: (text) => text,
  schema: {
    type: 'object',
    properties: {
      url: { type: 'string' },
      secret_file: { type: 'string' },
      events: { type: 'array', minItems: 1, items: { enum: eventTypes } },
      ca_file: { type: 'string' },
    },
    required: ['url', 'secret_file'],
    additionalProperties: false,
  },
});

function readWebhook(entry: Entry, directory: string): WebhookConfig | undefined {
  const fields = entry.fields(['url', 'secret_file', 'events', 'ca_file']);
  if (!fields) return undefined;
  for (const name of ['url', 'secret_file'] as const) if (!fields.has(name)) entry.complain(`needs ${name}`);
  const url = fields.get('url')?.parse((text) => webAddress.fromText(text, directory));
  const secret = fields.get('secret_file')?.parse((text) => openSecret(text, directory));
  const events = fields.has('events') ? readEvents(fields.get('events')) : usualEvents;
  const ca = fields.get('ca_file')?.parse((text) => certificateFile.fromText(text, directory));
  if (url === undefined || !secret) return undefined;
  return { url, events, ...secret, ...(ca !== undefined && { ca }) };
}

function readEvents(entry: Entry | undefined): readonly EventType[] {
  const items = entry?.items() ?? [];
  if (items.length === 0) entry?.complain('names no event; leave it out for those that most want');
  return items.map((item) => item.oneOf(eventTypes)).filter((type) => type !== undefined);
}

function openSecret(text: string, directory: string): Pick<WebhookConfig, 'secretFile' | 'secret'> {
  const secretFile = path.fromText(text, directory);
  return { secretFile, secret: readWebhookSecret(secretFile) };
}

/** @throws Invalid */
export function readWebhookSecret(file: string): Secret {
  const text = readText(file);
  try {
    parseWebhookKeys(text);
  } catch (error) {
    throw new Invalid(`${file} ${(error as Error).message}`);
  }
  return new Secret(text);
}
