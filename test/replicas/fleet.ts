import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import type { HeaderList } from '../../src/core/header-list.ts';
import { digestOf, imageOf, pushParts } from '../fixtures/image.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { startRegistry, type Registry } from '../fixtures/registry.ts';
import { pushTo, type Content, type PushAnswer } from './push.ts';
import { FlakyUpstream } from './flaky-upstream.ts';
import { Replica } from './replica.ts';

export const repository = 'team/app';

/** Every tag is immutable that begins with `v`. */
export const releaseRules = `tag_rules:
  - { id: releases, tag_name_pattern: ^v, immutable: true }
`;

export interface FleetOptions {
  /** What a replica's configuration has as `redis.url`. */
  readonly redisUrl: (replica: number) => string;
  readonly rules?: string;
  /** Sections of the configuration file. */
  readonly config?: object;
  readonly nodeFlags?: readonly string[];
  /** Where callers must say who they are: the header that does it. */
  readonly authorize?: (replica: Replica) => Promise<HeaderList>;
}

/** Three replicas before one registry; the first one has the rules file, and publishes it. */
export class Fleet {
  readonly registry: Registry;
  readonly upstream: FlakyUpstream;
  readonly replicas: readonly Replica[];
  readonly rulesFile: string;
  readonly #image = imageOf('raced for');
  readonly #authorization: HeaderList;
  #contents = 0;

  static async start(t: Test, options: FleetOptions): Promise<Fleet> {
    const { redisUrl, rules = releaseRules, config, nodeFlags, authorize } = options;
    const directory = temporaryDirectory(t);
    const rulesFile = join(directory, 'rules.yaml');
    writeFileSync(rulesFile, rules);
    const registry = await startRegistry(t);
    const upstream = await FlakyUpstream.open(t, registry.url);
    const replicas = await Promise.all(
      [0, 1, 2].map((index) =>
        Replica.start(
          t,
          index,
          join(directory, `replica-${index}`),
          {
            upstream: { url: upstream.url },
            redis: { url: redisUrl(index) },
            ...(index === 0 && { rules: { file: rulesFile, publish: true } }),
            ...config,
          },
          nodeFlags,
        ),
      ),
    );
    const [writer] = replicas;
    const authorization = (writer && (await authorize?.(writer))) ?? [];
    const fleet = new Fleet({ registry, upstream, replicas, rulesFile }, authorization);
    await pushParts(registry.url, repository, fleet.#image);
    await fleet.untilAllAdmit();
    return fleet;
  }

  private constructor(
    {
      registry,
      upstream,
      replicas,
      rulesFile,
    }: Pick<Fleet, 'registry' | 'upstream' | 'replicas' | 'rulesFile'>,
    authorization: HeaderList,
  ) {
    this.registry = registry;
    this.upstream = upstream;
    this.replicas = replicas;
    this.rulesFile = rulesFile;
    this.#authorization = authorization;
  }

  /** A manifest that nobody pushed before; what it needs is in the registry. */
  newContent(): Content {
    const manifest = JSON.parse(this.#image.bytes.toString()) as Record<string, unknown>;
    const annotations = { 'example.number': String(++this.#contents) };
    const bytes = Buffer.from(JSON.stringify({ ...manifest, annotations }));
    return { bytes, digest: digestOf(bytes), mediaType: this.#image.descriptor.mediaType };
  }

  push(replica: Replica, tag: string, content: Content): Promise<PushAnswer> {
    return pushTo(replica, repository, tag, content, this.#authorization);
  }

  /** Every replica makes a new immutable tag, one after the other: none of them has doubts about anything. */
  async untilAllAdmit(withinMs = 90_000): Promise<void> {
    const endMs = performance.now() + withinMs;
    for (;;) {
      const doubt = await this.#firstDoubt();
      if (doubt === undefined) return;
      if (performance.now() > endMs) throw new Error(`no first push within ${withinMs} ms: ${doubt}`);
      await sleep(100);
    }
  }

  async #firstDoubt(): Promise<string | undefined> {
    for (const replica of this.replicas) {
      const content = this.newContent();
      const { told, words } = await this.push(replica, `v-probe-${this.#contents}`, content);
      if (told.outcome !== 'acknowledged') return `replica ${replica.index} answered ${words}`;
    }
    return undefined;
  }
}
