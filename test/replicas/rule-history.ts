/** A change of what is in force on all replicas. All times are milliseconds of one clock. */
export interface RuleChange {
  /** Grows with every change. */
  readonly revision: number;
  /** Nothing can have been judged by it before. */
  readonly begunMs: number;
  /** Whoever made the change knows that it was made. */
  readonly acknowledgedMs: number;
  /** What a request is answered that is judged by it. */
  readonly effect: string;
}

/** One request whose answer depends on the rules. */
export interface Judged {
  readonly what: string;
  readonly replica: number;
  readonly sentMs: number;
  readonly answeredMs: number;
  readonly effect: string;
  /** By which its replica says that it was judged; absent where replicas do not say. */
  readonly revision?: number;
}

/** How long after its acknowledgement a change may take to be in force everywhere. */
export const adoptionMs = 1_000;

/**
 * Whether each request was judged by one version, and by one that could still be in force: none that was sent a second
 * after a change was acknowledged is judged by what was before, and no replica goes back. Says what was violated.
 */
export function checkRuleHistory(
  changes: readonly RuleChange[],
  judged: readonly Judged[],
): readonly string[] {
  if (changes.length < 2) return ['nothing was changed'];
  const old = judged.filter(({ sentMs }) => sentMs > (changes.at(-1)?.acknowledgedMs ?? 0) + adoptionMs);
  if (old.length === 0) return ['nobody asked after the last change'];
  return [...judged.flatMap((request) => checkRequest(changes, request)), ...wentBack(judged)];
}

function checkRequest(changes: readonly RuleChange[], request: Judged): readonly string[] {
  const possible = inForce(changes, request);
  if (request.revision === undefined) {
    return possible.some(({ effect }) => effect === request.effect)
      ? []
      : [`${nameOf(request)} was answered "${request.effect}", as nothing was that could be in force`];
  }
  const change = changes.find(({ revision }) => revision === request.revision);
  if (!change) return [`${nameOf(request)} was judged by revision ${request.revision}, which nobody made`];
  if (!possible.includes(change)) {
    const range = `${possible[0]?.revision ?? 0} to ${possible.at(-1)?.revision ?? 0}`;
    return [`${nameOf(request)} was judged by revision ${change.revision}, but in force was ${range}`];
  }
  return change.effect === request.effect
    ? []
    : [
        `${nameOf(request)} was answered "${request.effect}" by revision ${change.revision}: "${change.effect}"`,
      ];
}

/** From what every replica must have had when the request was sent, to what a replica can have had when it was answered. */
function inForce(changes: readonly RuleChange[], { sentMs, answeredMs }: Judged): readonly RuleChange[] {
  const first = changes.findLastIndex(({ acknowledgedMs }) => acknowledgedMs + adoptionMs < sentMs);
  const last = changes.findLastIndex(({ begunMs }) => begunMs <= answeredMs);
  return changes.slice(Math.max(first, 0), last + 1);
}

/** A request that was sent when another one had been answered by the same replica, and judged by less than that. */
function wentBack(judged: readonly Judged[]): readonly string[] {
  const found: string[] = [];
  for (const replica of new Set(judged.map((request) => request.replica))) {
    const own = judged.filter((request) => request.replica === replica);
    const bySent = [...own].sort((a, b) => a.sentMs - b.sentMs);
    const byAnswered = [...own].sort((a, b) => a.answeredMs - b.answeredMs);
    let newest = 0;
    let answered = 0;
    for (const request of bySent) {
      for (; (byAnswered[answered]?.answeredMs ?? Infinity) < request.sentMs; answered++) {
        newest = Math.max(newest, byAnswered[answered]?.revision ?? 0);
      }
      if (request.revision !== undefined && request.revision < newest)
        found.push(`${nameOf(request)} was judged by revision ${request.revision} after ${newest}`);
    }
  }
  return found;
}

function nameOf({ what, replica }: Judged): string {
  return `${what} on replica ${replica}`;
}
