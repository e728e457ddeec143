import { createHash } from 'node:crypto';
import { Agent } from 'node:http';
import type { HeaderList } from '../../src/core/header-list.ts';
import { ask, refusalOf } from '../fixtures/ask.ts';
import type { Attempt, Outcome, Sample } from './history.ts';
import type { Replica } from './replica.ts';

/** A manifest to push. */
export interface Content {
  readonly bytes: Buffer;
  readonly digest: string;
  readonly mediaType: string;
}

export interface PushAnswer {
  readonly told: Pick<Attempt, 'sentMs' | 'answeredMs' | 'outcome' | 'named'>;
  /** `503 UNAVAILABLE: …`, or why there was no answer. */
  readonly words: string;
}

/** containerd waits no longer. */
const patienceMs = 30_000;
const agent = new Agent({ keepAlive: true });

/** Pushes a manifest through a replica, once. */
export async function pushTo(
  { url }: Pick<Replica, 'url'>,
  repository: string,
  tag: string,
  { bytes, mediaType }: Content,
  authorization: HeaderList = [],
): Promise<PushAnswer> {
  const sentMs = performance.now();
  const [outcome, words] = await ask(`${url}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    agent,
    headers: ['Content-Type', mediaType, ...authorization],
    body: bytes,
    signal: AbortSignal.timeout(patienceMs),
  }).then(
    (answer) => [outcomeOf(answer.status, refusalOf(answer)), refusalOf(answer)] as const,
    (error: unknown) => ['cut', String(error)] as const,
  );
  const named = outcome === 'denied' ? / is (sha256:[0-9a-f]+)/.exec(words)?.[1] : undefined;
  const told = { sentMs, answeredMs: performance.now(), outcome, ...(named !== undefined && { named }) };
  return { told, words };
}

function outcomeOf(status: number, refusal: string): Outcome {
  if (status >= 200 && status < 300) return 'acknowledged';
  if (refusal.startsWith('403 DENIED: ')) return 'denied';
  if (status === 429) return 'busy';
  if (status === 503) return 'unavailable';
  return [500, 502, 504].includes(status) ? 'failed' : `status ${status}`;
}

/** What the registry itself has as a tag, by the bytes that it serves. */
export async function sampleOf(registryUrl: string, repository: string, tag: string): Promise<Sample> {
  const askedMs = performance.now();
  const answer = await ask(`${registryUrl}/v2/${repository}/manifests/${tag}`, {
    agent,
    headers: ['Accept', 'application/vnd.oci.image.manifest.v1+json'],
  });
  if (answer.status !== 200 && answer.status !== 404) throw new Error(`the registry: ${refusalOf(answer)}`);
  const digest =
    answer.status === 404 ? 'absent' : `sha256:${createHash('sha256').update(answer.body).digest('hex')}`;
  return { tag, askedMs, answeredMs: performance.now(), digest };
}
