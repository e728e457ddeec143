import type { Agent } from 'node:http';
import { ask, headerOf, refusalOf, type Answer, type Question } from '../fixtures/ask.ts';
import { digestOf, type Image } from '../fixtures/image.ts';

const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/** A layer is tried so often by the docker engine, at either way (maxUploadAttempts, maxDownloadAttempts); nothing else is. */
const layerAttempts = 5;

/** Pushes and pulls as the docker engine does: the same requests, in the same order, with the same patience. */
export class DockerLike {
  readonly #url: string;
  readonly #agent: Agent;
  #retries = 0;

  constructor(url: string, agent: Agent) {
    this.#url = url;
    this.#agent = agent;
  }

  /** How often a layer was tried again. */
  get retries(): number {
    return this.#retries;
  }

  async push(repository: string, tag: string, { blobs, bytes, descriptor }: Image): Promise<void> {
    await Promise.all(blobs.map((blob) => this.#patiently(() => this.#pushLayer(repository, blob.bytes))));
    const headers = ['Content-Type', descriptor.mediaType];
    await this.#ask(`/v2/${repository}/manifests/${tag}`, [201], { method: 'PUT', headers, body: bytes });
  }

  async pull(repository: string, tag: string): Promise<void> {
    const path = `/v2/${repository}/manifests/${tag}`;
    const headers = ['Accept', manifestType];
    const { body } = await this.#ask(path, [200], { headers });
    const { config, layers } = JSON.parse(body.toString()) as { config: Named; layers: readonly Named[] };
    await Promise.all(
      [config, ...layers].map(async ({ digest }) => {
        const blob = await this.#patiently(() => this.#ask(`/v2/${repository}/blobs/${digest}`, [200]));
        if (digestOf(blob.body) !== digest) throw new Error(`${digest} came with other bytes`);
      }),
    );
  }

  /** In one session: asked for first, sent in chunks, then closed. */
  async #pushLayer(repository: string, bytes: Buffer): Promise<void> {
    const digest = digestOf(bytes);
    const head = await this.#ask(`/v2/${repository}/blobs/${digest}`, [200, 404], { method: 'HEAD' });
    if (head.status === 200) return;
    const started = await this.#ask(`/v2/${repository}/blobs/uploads/`, [202], { method: 'POST' });
    const patched = await this.#ask(locationOf(started), [202], { method: 'PATCH', body: inPieces(bytes) });
    const end = new URL(locationOf(patched), this.#url);
    end.searchParams.set('digest', digest);
    await this.#ask(end.pathname + end.search, [201], { method: 'PUT' });
  }

  async #patiently<Result>(attempt: () => Promise<Result>): Promise<Result> {
    for (let left = layerAttempts; ; left--) {
      try {
        return await attempt();
      } catch (error) {
        if (left === 1) throw error;
        this.#retries += 1;
      }
    }
  }

  async #ask(target: string, expected: readonly number[], question: Question = {}): Promise<Answer> {
    const { pathname, search } = new URL(target, this.#url);
    const answer = await ask(this.#url + pathname + search, { ...question, agent: this.#agent });
    if (expected.includes(answer.status)) return answer;
    throw new Error(`${question.method ?? 'GET'} ${pathname}: ${refusalOf(answer)}`);
  }
}

interface Named {
  readonly digest: string;
}

function locationOf(answer: Answer): string {
  return headerOf(answer, 'location') ?? '';
}

async function* inPieces(bytes: Buffer): AsyncIterable<Buffer> {
  const length = 32 * 1024;
  for (let at = 0; at < bytes.length; at += length)
    yield await Promise.resolve(bytes.subarray(at, at + length));
}
