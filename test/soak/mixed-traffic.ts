import { createHash } from 'node:crypto';
import { Agent } from 'node:http';
import { ask, beginAnswer, refusalOf, type Answer, type Question } from '../fixtures/ask.ts';
import { digestOf, imageOf, incompressible, type Image } from '../fixtures/image.ts';
import type { Dice } from '../replicas/dice.ts';

export const repository = 'soak/app';
const uploads = `/v2/${repository}/blobs/uploads/`;
const large = incompressible(8 * 1024 * 1024);
export const largeDigest = digestOf(large);
const manifestType = 'application/vnd.oci.image.manifest.v1+json';

/** What a client did, over and over, and what it must be answered. */
type Deed = () => Promise<void>;

/**
 * Clients of a registry that pull, push, are denied and break off, all at once. Whatever is not answered as it must be
 * is a violation; every request has an id, by which it is found in the log.
 */
export class MixedTraffic {
  readonly violations: string[] = [];
  /** Of requests that were answered, and of those that their client broke off. */
  readonly answered = new Set<string>();
  readonly brokenOff = new Set<string>();
  readonly #url: string;
  readonly #dice: Dice;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #images: Image[] = [];
  #requests = 0;
  #isStopped = false;
  #running: readonly Promise<void>[] = [];

  constructor(url: string, dice: Dice) {
    this.#url = url;
    this.#dice = dice;
  }

  /** What all clients pull. */
  async prepare(): Promise<void> {
    await this.#pushBlob(large);
    await this.#push();
  }

  start(atOnce: number): void {
    const deeds: readonly Deed[] = [
      ...Array<Deed>(4).fill(() => this.#pullImage()),
      ...Array<Deed>(2).fill(() => this.#push()),
      () => this.#pullLarge(),
      () => this.#moveImmutable(),
      () => this.#deleteImmutable(),
      () => this.#breakOffPull(),
      () => this.#breakOffPush(),
      () => this.#askNonsense(),
    ];
    this.#running = Array.from({ length: atOnce }, async () => {
      while (!this.#isStopped) {
        await this.#dice
          .pick(deeds)()
          .catch((error: unknown) => this.violations.push(String(error)));
      }
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
    this.#agent.destroy();
  }

  async #ask(path: string, expected: number, question: Question = {}): Promise<Answer> {
    const id = `soak-${++this.#requests}`;
    const method = question.method ?? 'GET';
    const headers = ['X-Request-Id', id, 'Accept', manifestType, ...(question.headers ?? [])];
    const answer = await ask(this.#url + path, { ...question, agent: this.#agent, headers });
    this.answered.add(id);
    if (answer.status !== expected) this.violations.push(`${method} ${path}: ${refusalOf(answer)}`);
    return answer;
  }

  async #pullImage(): Promise<void> {
    const image = this.#dice.pick(this.#images);
    const { digest } = image.descriptor;
    const tag = tagOf(image);
    for (const reference of [tag, digest]) {
      const { body } = await this.#ask(`/v2/${repository}/manifests/${reference}`, 200);
      if (!body.equals(image.bytes)) this.violations.push(`${reference} is another manifest`);
    }
    for (const { descriptor } of image.blobs) await this.#pullBlob(descriptor.digest);
  }

  #pullLarge(): Promise<void> {
    return this.#pullBlob(largeDigest);
  }

  async #pullBlob(digest: string): Promise<void> {
    const { body } = await this.#ask(`/v2/${repository}/blobs/${digest}`, 200);
    if (digestOf(body) !== digest) this.violations.push(`${digest} came with other bytes`);
  }

  /** To an immutable tag that is new. */
  async #push(): Promise<void> {
    const image = imageOf(`soak ${this.#requests} ${this.#dice.roll()}`);
    for (const { bytes } of image.blobs) await this.#pushBlob(bytes);
    await this.#put(tagOf(image), image, 201);
    this.#images.push(image);
    // Those before are pulled no more, but stay.
    if (this.#images.length > 50) this.#images.shift();
  }

  async #pushBlob(bytes: Buffer): Promise<void> {
    const { headers } = await this.#ask(uploads, 202, { method: 'POST' });
    const at = headers.findIndex((field) => field.toLowerCase() === 'location');
    const session = new URL(headers[at + 1] ?? '', this.#url);
    session.searchParams.set('digest', digestOf(bytes));
    await this.#ask(session.pathname + session.search, 201, { method: 'PUT', body: bytes });
  }

  #put(tag: string, { bytes }: Pick<Image, 'bytes'>, expected: number): Promise<Answer> {
    const headers = ['Content-Type', manifestType];
    return this.#ask(`/v2/${repository}/manifests/${tag}`, expected, { method: 'PUT', headers, body: bytes });
  }

  async #moveImmutable(): Promise<void> {
    await this.#put(tagOf(this.#dice.pick(this.#images)), imageOf('another'), 403);
  }

  async #deleteImmutable(): Promise<void> {
    const { descriptor } = this.#dice.pick(this.#images);
    await this.#ask(`/v2/${repository}/manifests/${descriptor.digest}`, 403, { method: 'DELETE' });
  }

  async #breakOffPull(): Promise<void> {
    const id = `soak-${++this.#requests}`;
    this.brokenOff.add(id);
    const path = `/v2/${repository}/blobs/${largeDigest}`;
    const message = await beginAnswer(this.#url + path, { headers: ['X-Request-Id', id] });
    message.on('error', () => undefined);
    message.once('data', () => message.destroy());
    await new Promise((resolve) => message.once('close', resolve));
  }

  async #breakOffPush(): Promise<void> {
    const { headers } = await this.#ask(uploads, 202, { method: 'POST' });
    const at = headers.findIndex((field) => field.toLowerCase() === 'location');
    const session = new URL(headers[at + 1] ?? '', this.#url);
    const id = `soak-${++this.#requests}`;
    this.brokenOff.add(id);
    const signal = AbortSignal.timeout(20);
    const body = neverEnding();
    await ask(this.#url + session.pathname + session.search, {
      method: 'PATCH',
      headers: ['X-Request-Id', id],
      body,
      signal,
    }).catch(() => undefined);
  }

  async #askNonsense(): Promise<void> {
    await this.#ask(`/v2/${repository}/../other/manifests/latest`, 400);
  }
}

/** A new one for each image. */
function tagOf({ bytes }: Pick<Image, 'bytes'>): string {
  return `v${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`;
}

async function* neverEnding(): AsyncIterable<Buffer> {
  for (;;) yield await new Promise<Buffer>((resolve) => setTimeout(resolve, 1, Buffer.alloc(4096)));
}
