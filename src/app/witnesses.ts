import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { openAudit } from '../adapters/audit-file.ts';
import type { Config } from '../config/config.ts';
import { cloudEvent, eventTypeOf, type AuditLine } from '../core/cloud-event.ts';
import { seriesOf, type Series } from '../core/series.ts';
import type { Audit } from '../http/log.ts';
import type { Ending } from './ending.ts';

/** Whoever is told of what is kept for good: the audit file, and webhooks. */
export interface Witnesses extends Audit {
  /** As App.reopen(). */
  reopen(): void;
  readonly counts: () => Series;
}

/** How long the end of the process waits for those who are told over the network: with that of spans less than a worker has. */
const closeMs = 2_000;

/**
 * Undefined where there are none.
 * @throws Error of node:fs where the audit cannot be opened
 */
export async function openWitnesses(
  { log: { auditFile }, webhooks, publicUrl }: Pick<Config, 'log' | 'webhooks' | 'publicUrl'>,
  log: Logger,
  ending: Ending,
): Promise<Witnesses | undefined> {
  const file = auditFile === undefined ? undefined : openAudit(auditFile, log);
  if (file) {
    ending.add(() => {
      file.close();
    });
  }
  const told = webhooks.length === 0 ? undefined : await tellWebhooks(webhooks, publicUrl, log, ending);
  if (!file || !told) return file ? { ...file, counts: () => ({}) } : told;
  return {
    write: (line) => {
      file.write(line);
      told.write(line);
    },
    reopen: () => {
      file.reopen();
      told.reopen();
    },
    counts: told.counts,
  };
}

async function tellWebhooks(
  configs: Config['webhooks'],
  publicUrl: string | undefined,
  log: Logger,
  ending: Ending,
): Promise<Witnesses> {
  const { Webhook } = await import('../adapters/webhooks/webhook.ts');
  const webhooks = configs.map((config) => new Webhook({ config, log }));
  const source = publicUrl ?? `urn:tagwarden:${hostname()}`;
  ending.add(async () => {
    await Promise.all(webhooks.map((webhook) => webhook.close(closeMs)));
  });
  return {
    write: (line: AuditLine) => {
      const type = eventTypeOf(line);
      const wanted = type ? webhooks.filter((webhook) => webhook.wants(type)) : [];
      if (!type || wanted.length === 0) return;
      const event = cloudEvent(type, line, { id: randomUUID(), source, time: new Date().toISOString() });
      const body = JSON.stringify(event);
      for (const webhook of wanted) webhook.take(event, body);
    },
    reopen: () => {
      for (const webhook of webhooks) webhook.reload();
    },
    counts: () => {
      const sum = (what: 'sent' | 'failed' | 'dropped'): number =>
        webhooks.reduce((all, { counts }) => all + counts[what], 0);
      return {
        [seriesOf('webhook_events', 'sent')]: sum('sent'),
        [seriesOf('webhook_events', 'failed')]: sum('failed'),
        [seriesOf('webhook_events', 'dropped')]: sum('dropped'),
      };
    },
  };
}
