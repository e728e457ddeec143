import type { TagFact } from '../core/verdict.ts';
import { soleHeader } from '../core/header-list.ts';
import type { ReadMethod, ReadOperation } from '../core/operation.ts';
import type { TagFacts, TagQuestion } from '../core/ports.ts';
import { isDigest } from '../core/reference.ts';
import { notAsRegistry, provesAbsence, type PatientReader, type Send } from './patient-reader.ts';
import type { UpstreamAnswer } from './upstream.ts';

/** Every type of manifest, or distribution answers 404 for a tag that exists (manifests.go). */
export const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.artifact.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  'application/vnd.docker.distribution.manifest.v1+json',
  '*/*',
];

/** Asks the registry what a tag points to. */
export class UpstreamTagFacts implements TagFacts {
  readonly #reader: PatientReader;

  constructor(reader: PatientReader) {
    this.#reader = reader;
  }

  lookUp(question: TagQuestion): Promise<TagFact> {
    return this.#reader.read<TagFact>(question, (send) => ask(question, send));
  }

  seen(): void {
    // The upstream knows.
  }

  gone(): void {
    // The upstream knows.
  }
}

async function ask(question: TagQuestion, send: Send): Promise<TagFact> {
  const head = await send(manifestOf(question, 'HEAD'), { accept: manifestTypes });
  if (head.status !== 404) return factOf(head, question);
  // Only the body of an answer to GET tells whether a registry said it.
  const get = await send(manifestOf(question, 'GET'), { accept: manifestTypes });
  return provesAbsence(get) ? { state: 'absent' } : factOf(get, question);
}

function manifestOf({ repository, tag }: TagQuestion, method: ReadMethod): ReadOperation {
  return { kind: 'getManifest', method, repository, reference: { tag }, query: [] };
}

function factOf(answer: UpstreamAnswer, { pushed }: TagQuestion): TagFact {
  if (answer.status !== 200) return notAsRegistry(answer);
  const digest = soleHeader(answer.headers, 'docker-content-digest');
  if (digest === undefined || !isDigest(digest)) {
    return { state: 'unknown', reason: 'the upstream did not say its digest' };
  }
  return { state: 'present', digest, isPushed: pushed?.includes(digest) ?? false };
}
