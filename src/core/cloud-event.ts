/** What there are events of; `io.tagwarden.` before it is the type of a CloudEvent. */
export const eventTypes = [
  'write.denied',
  'write.undecided',
  'write.warned',
  'rule.changed',
  'rules.changed',
  'unlock.created',
  'unlock.used',
  'unlock.revoked',
  'tampering.seen',
] as const;
export type EventType = (typeof eventTypes)[number];

/** A line of the audit. */
export type AuditLine = Readonly<Record<string, unknown>>;

/** CloudEvents 1.0.2, in its JSON format. */
export interface CloudEvent {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: `io.tagwarden.${EventType}`;
  /** What it is about, as `flightjs/flight:v1.0`. */
  readonly subject?: string;
  /** RFC 3339. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly data: AuditLine;
}

const typeByAudit: Readonly<Record<string, EventType>> = {
  denied: 'write.denied',
  undecided: 'write.undecided',
  warned: 'write.warned',
  unlocked: 'unlock.used',
  rule: 'rule.changed',
  rules: 'rules.changed',
  tampering: 'tampering.seen',
};

/** Of which type what the audit is told of is an event; undefined: of none. */
export function eventTypeOf({ audit, action }: AuditLine): EventType | undefined {
  if (audit === 'unlock') return action === 'lock' ? 'unlock.revoked' : 'unlock.created';
  return typeof audit === 'string' ? typeByAudit[audit] : undefined;
}

/** @param made when and by whom it is made: `source` and `id` together are of one event alone */
export function cloudEvent(
  type: EventType,
  line: AuditLine,
  made: Pick<CloudEvent, 'id' | 'source' | 'time'>,
): CloudEvent {
  const data = Object.fromEntries(Object.entries(line).filter(([name]) => name !== 'audit'));
  const subject = subjectOf(data);
  return {
    ...{ specversion: '1.0', id: made.id, source: made.source, type: `io.tagwarden.${type}` },
    ...(subject !== undefined && { subject }),
    ...{ time: made.time, datacontenttype: 'application/json', data },
  };
}

function subjectOf(data: AuditLine): string | undefined {
  // Of an unlock, what it unlocks.
  const { repository, reference, tag } = (data['unlock'] ?? data['asked'] ?? data) as AuditLine;
  const name = reference ?? tag;
  if (typeof repository !== 'string') return undefined;
  if (typeof name !== 'string') return repository;
  return `${repository}${name.includes(':') ? '@' : ':'}${name}`;
}
