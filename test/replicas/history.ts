/** What one push was told. `failed`: what the upstream did was passed on (500, 502, 504). `cut`: it was told nothing. */
export type Outcome =
  'acknowledged' | 'denied' | 'busy' | 'unavailable' | 'failed' | 'cut' | `status ${number}`;

/** One push of one manifest to one new immutable tag. All times are milliseconds of one clock. */
export interface Attempt {
  readonly round: number;
  readonly tag: string;
  readonly digest: string;
  readonly replica: number;
  readonly sentMs: number;
  readonly answeredMs: number;
  readonly outcome: Outcome;
  /** Of a denial: the beginning of the digest that the tag was said to have. */
  readonly named?: string;
}

/** What the registry itself said of a tag. */
export interface Sample {
  readonly tag: string;
  readonly askedMs: number;
  readonly answeredMs: number;
  /** Or `absent`. */
  readonly digest: string;
}

/** What was broken, until everything was seen to work again. */
export interface FaultWindow {
  readonly name: string;
  readonly fromMs: number;
  readonly untilMs: number;
  /** The only tag that it can have touched; absent: every push that was under way meanwhile. */
  readonly tag?: string;
}

export interface History {
  readonly attempts: readonly Attempt[];
  readonly samples: readonly Sample[];
  readonly faults: readonly FaultWindow[];
}

export interface Violation {
  readonly kind:
    | 'two acknowledged'
    | 'replaced'
    | 'moved'
    | 'no winner'
    | 'told otherwise'
    | 'misinformed'
    | 'winner denied'
    | 'incomplete';
  readonly tag: string;
  readonly text: string;
}

/**
 * Whether tags were created once. In every history: no two digests of one tag are acknowledged; what was acknowledged
 * stays, and so does what was ever seen; a denial names what the tag is. In a round without faults also: one digest is
 * acknowledged, and everyone else was told DENIED, 429 or 503. A history that cannot show this is itself a violation.
 */
export function checkHistory(history: History): readonly Violation[] {
  const tags = new Set([...history.attempts, ...history.samples].map(({ tag }) => tag));
  if (history.attempts.length === 0) return [{ kind: 'incomplete', tag: '', text: 'nobody pushed anything' }];
  return [...tags].flatMap((tag) => checkTag(lifeOf(tag, history)));
}

/** The tags that were pushed while nothing was broken. */
export function unharmedTags(history: History): readonly string[] {
  const tags = [...new Set(history.attempts.map(({ tag }) => tag))];
  return tags.filter((tag) => lifeOf(tag, history).faults.length === 0);
}

/** Everything that is known of one tag, in the order of time. */
interface TagLife {
  readonly tag: string;
  readonly attempts: readonly Attempt[];
  readonly samples: readonly Sample[];
  readonly faults: readonly FaultWindow[];
}

function lifeOf(tag: string, { attempts, samples, faults }: History): TagLife {
  const ofTag = attempts.filter((attempt) => attempt.tag === tag).sort((a, b) => a.sentMs - b.sentMs);
  const isUnderWay = ({ fromMs, untilMs }: FaultWindow): boolean =>
    ofTag.some(({ sentMs, answeredMs }) => sentMs <= untilMs && fromMs <= answeredMs);
  return {
    tag,
    attempts: ofTag,
    samples: samples.filter((sample) => sample.tag === tag).sort((a, b) => a.askedMs - b.askedMs),
    faults: faults.filter((fault) => (fault.tag === undefined ? isUnderWay(fault) : fault.tag === tag)),
  };
}

function checkTag(life: TagLife): readonly Violation[] {
  const checks = [incomplete, twoAcknowledged, replaced, moved, misinformed, winnerDenied];
  const strict = life.faults.length === 0 ? [noWinner, toldOtherwise] : [];
  return [...checks, ...strict].flatMap((check) =>
    check(life).map((violation) => ({ ...violation, tag: life.tag })),
  );
}

type Found = Omit<Violation, 'tag'>;

function incomplete({ attempts, samples }: TagLife): readonly Found[] {
  const text = (why: string): Found => ({ kind: 'incomplete', text: why });
  const backwards = [
    ...attempts.filter(({ sentMs, answeredMs }) => !(sentMs <= answeredMs)),
    ...samples.filter(({ askedMs, answeredMs }) => !(askedMs <= answeredMs)),
  ];
  if (backwards.length > 0) return [text('an answer is older than its question')];
  if (attempts.length === 0) return [text('it was looked at, but nobody pushed it')];
  if (new Set(attempts.map(({ round }) => round)).size > 1) return [text('it is the tag of two rounds')];
  const endMs = Math.max(...attempts.map(({ answeredMs }) => answeredMs));
  const last = samples.at(-1);
  return last && last.askedMs >= endMs ? [] : [text('nobody looked at it after its last push')];
}

function acknowledged({ attempts }: TagLife): readonly Attempt[] {
  return attempts.filter(({ outcome }) => outcome === 'acknowledged');
}

function twoAcknowledged(life: TagLife): readonly Found[] {
  const digests = new Set(acknowledged(life).map(({ digest }) => digest));
  return digests.size > 1
    ? [{ kind: 'two acknowledged', text: `acknowledged: ${[...digests].join(', ')}` }]
    : [];
}

function replaced(life: TagLife): readonly Found[] {
  return acknowledged(life).flatMap(({ digest, answeredMs }) =>
    life.samples
      .filter((sample) => sample.askedMs >= answeredMs && sample.digest !== digest)
      .slice(0, 1)
      .map((sample) => ({
        kind: 'replaced' as const,
        text: `${digest} was acknowledged, and then the tag was ${sample.digest}`,
      })),
  );
}

/** Also what nobody was told about: a tag that exists never changes, whoever made it. */
function moved({ samples }: TagLife): readonly Found[] {
  const first = samples.find(({ digest }) => digest !== 'absent');
  const later = samples.find(
    (sample) => first && sample.askedMs >= first.answeredMs && sample.digest !== first.digest,
  );
  return first && later ? [{ kind: 'moved', text: `it was ${first.digest}, and later ${later.digest}` }] : [];
}

function misinformed({ attempts, samples }: TagLife): readonly Found[] {
  const end = samples.at(-1)?.digest ?? 'absent';
  return attempts
    .filter(({ named }) => named !== undefined && !end.startsWith(named))
    .slice(0, 1)
    .map(({ named = '' }) => ({
      kind: 'misinformed',
      text: `a denial said ${named}, but the tag is ${end}`,
    }));
}

function winnerDenied(life: TagLife): readonly Found[] {
  const won = acknowledged(life);
  return life.attempts
    .filter(({ outcome }) => outcome === 'denied')
    .filter(({ digest, sentMs }) => won.some((win) => win.digest === digest && win.answeredMs <= sentMs))
    .slice(0, 1)
    .map(({ digest }) => ({
      kind: 'winner denied',
      text: `${digest} was acknowledged, and denied when it was pushed again`,
    }));
}

function noWinner(life: TagLife): readonly Found[] {
  if (life.attempts.length === 0 || acknowledged(life).length > 0) return [];
  return [{ kind: 'no winner', text: 'nothing was broken, and yet nobody won' }];
}

const losses: readonly Outcome[] = ['denied', 'busy', 'unavailable'];

function toldOtherwise({ attempts }: TagLife): readonly Found[] {
  return attempts
    .filter(({ outcome }) => outcome !== 'acknowledged' && !losses.includes(outcome))
    .slice(0, 1)
    .map(({ outcome, replica }) => ({
      kind: 'told otherwise',
      text: `nothing was broken, and yet replica ${replica} answered a loser: ${outcome}`,
    }));
}
