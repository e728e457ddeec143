import { Agent } from 'node:http';
import t, { type Test } from 'tap';
import type { Content } from '../../config/oci-image.mjs';
import { ask, refusalOf, type Answer } from '../fixtures/ask.ts';
import { digestOf, imageOf, pushParts, storedManifest, type Image } from '../fixtures/image.ts';
import { startRegistry } from '../fixtures/registry.ts';
import { startTagwarden } from '../fixtures/tagwarden.ts';

const rules = `tag_rules:
  - id: releases
    tag_name_pattern: ^v
    immutable: true
`;
const repository = 'team/app';
const rounds = 100;
const pushers = 50;

/** The same image with another annotation: another manifest of the same blobs. */
function variantOf(image: Image, name: string): Content {
  const manifest = JSON.parse(image.bytes.toString()) as Record<string, unknown>;
  const bytes = Buffer.from(JSON.stringify({ ...manifest, annotations: { 'example.pusher': name } }));
  return { bytes, descriptor: { ...image.descriptor, digest: digestOf(bytes), size: bytes.length } };
}

interface Race {
  /** The registry itself. */
  readonly direct: string;
  readonly image: Image;
  readonly push: (tag: string, content: Content) => Promise<Answer>;
}

async function startRace(t: Test): Promise<Race> {
  const registry = await startRegistry(t);
  const { url } = await startTagwarden(t, { upstream: registry.url, rules });
  const image = imageOf('raced for');
  await pushParts(url, repository, image);
  const agent = new Agent({ keepAlive: true, maxSockets: pushers });
  t.teardown(() => {
    agent.destroy();
  });
  const push = (tag: string, { bytes, descriptor }: Content): Promise<Answer> =>
    ask(`${url}/v2/${repository}/manifests/${tag}`, {
      method: 'PUT',
      agent,
      headers: ['Content-Type', descriptor.mediaType],
      body: bytes,
    });
  return { direct: registry.url, image, push };
}

t.test(
  '50 first pushes of one tag at once, of 50 manifests, a hundred times: one wins, and stays',
  async (t) => {
    const { direct, image, push } = await startRace(t);
    const winners: Content[] = [];
    for (let round = 0; round < rounds; round++) {
      const contents = Array.from({ length: pushers }, (_, pusher) => variantOf(image, `${round}/${pusher}`));
      const answers = await Promise.all(contents.map((content) => push(`v${round}`, content)));
      const won = contents.filter((_, pusher) => answers[pusher]?.status === 201);
      const refused = answers
        .map(refusalOf)
        .filter((refusal) => /^(?:403 DENIED: tag is immutable; |429 TOOM)/.test(refusal));
      t.same([won.length, refused.length], [1, pushers - 1], `round ${round}`);
      if (won[0]) winners.push(won[0]);
    }
    t.equal(winners.length, rounds);
    for (const [round, winner] of winners.entries()) {
      const stored = await storedManifest(direct, repository, `v${round}`);
      t.equal(stored.digest, winner.descriptor.digest, `v${round} is what won`);
      t.ok(stored.bytes.equals(winner.bytes), 'byte for byte');
    }
  },
);

t.test('pushes of two manifests, each by 25 at once: all of one are right, none of the other', async (t) => {
  const { direct, image, push } = await startRace(t);
  for (let round = 0; round < 20; round++) {
    const contents = ['one', 'two'].map((name) => variantOf(image, `${round}/${name}`));
    const pushed = Array.from({ length: pushers }, (_, pusher) => contents[pusher % 2] ?? image);
    const answers = await Promise.all(pushed.map((content) => push(`v${round}`, content)));
    const { digest } = await storedManifest(direct, repository, `v${round}`);
    for (const content of contents) {
      const statuses = answers.filter((_, pusher) => pushed[pusher] === content).map(({ status }) => status);
      const expected = content.descriptor.digest === digest ? 201 : 403;
      t.same(new Set(statuses), new Set([expected]), `round ${round}`);
    }
  }
});
