import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ask, headerOf, refusalOf, type Answer } from '../fixtures/ask.ts';
import { eventually } from '../fixtures/eventually.ts';
import { startFront } from '../fixtures/front.ts';
import { imageOf, pushParts, storedManifest, type Image } from '../fixtures/image.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { startRegistry, type Registry } from '../fixtures/registry.ts';
import { logged, startTagwarden, type Tagwarden } from '../fixtures/tagwarden.ts';
import type { Script } from '../fixtures/upstream.ts';
import { readinessAt } from '../fixtures/readiness.ts';

const repository = 'flightjs/flight';
const [one, two] = [imageOf('one'), imageOf('two')];
const watched = `repository_rules:
  - { id: frozen, repository_path_pattern: frozen/*, minimum_access_level_for_push: owner, enforcement: warn }
tag_rules:
  - { id: releases, tag_name_pattern: ^v, immutable: true, enforcement: warn }
  - { id: latest, tag_name_pattern: ^latest$, minimum_access_level_for_push: owner, enforcement: warn }
  - { id: enforced, tag_name_pattern: ^e, immutable: true, enforcement: deny }
`;

interface Door {
  readonly registry: Registry;
  readonly tagwarden: Tagwarden;
  readonly auditFile: string;
}

async function startDoor(t: Test, rules = watched): Promise<Door> {
  const auditFile = join(temporaryDirectory(t), 'made', 'audit.jsonl');
  const registry = await startRegistry(t);
  for (const image of [one, two]) await pushParts(registry.url, repository, image);
  const flags = ['--log-audit-file', auditFile];
  return {
    registry,
    auditFile,
    tagwarden: await startTagwarden(t, { upstream: registry.url, rules, flags }),
  };
}

function push({ tagwarden }: Door, tag: string, { bytes, descriptor }: Image): Promise<Answer> {
  return ask(`${tagwarden.url}/v2/${repository}/manifests/${tag}`, {
    method: 'PUT',
    headers: ['Content-Type', descriptor.mediaType, 'X-Request-Id', `push-${tag}`, 'User-Agent', 'test/1'],
    body: bytes,
  });
}

function auditOf({ auditFile }: Door): Record<string, unknown>[] {
  if (!existsSync(auditFile)) return [];
  const lines = readFileSync(auditFile, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** A line is there a little later than the answer where workers serve. */
async function untilAudited(door: Door, lines: number): Promise<Record<string, unknown>[]> {
  await eventually('it is in the audit', () => auditOf(door).length >= lines);
  return auditOf(door);
}

/** What a client may read of it, in ASCII. */
function warningOf(answer: Answer): string {
  return headerOf(answer, 'warning') ?? 'no warning';
}

t.test('what a rule that only warns would refuse passes, and is told', async (t) => {
  const door = await startDoor(t);
  const { descriptor: was } = one;
  const first = await push(door, 'v1', one);
  t.match([first.status, warningOf(first)], [201, 'no warning'], 'a first push');
  const again = await push(door, 'v1', one);
  t.match([again.status, warningOf(again)], [201, 'no warning'], 'the same manifest');
  const moved = await push(door, 'v1', two);
  t.equal(moved.status, 201);
  t.match(
    warningOf(moved),
    /^299 tagwarden "would be denied: tag is immutable; flightjs\/flight:v1 is sha256:[0-9a-f]{12}\.\.\. and cannot become sha256:[0-9a-f]{12}\.\.\. \(rule releases\); use a new tag"$/,
  );
  const stored = await storedManifest(door.registry.url, repository, 'v1');
  t.equal(stored.digest, two.descriptor.digest, 'it was moved');
  const line = {
    audit: 'warned',
    requestId: 'push-v1',
    operation: 'putManifest',
    repository,
    reference: 'v1',
    digestBefore: was.digest,
    digestAfter: two.descriptor.digest,
    status: 201,
    upstreamStatus: 201,
    warnings: [{ effect: 'deny', ruleIds: ['releases'] }],
    client: '127.0.0.1',
    userAgent: 'test/1',
  };
  t.match(await untilAudited(door, 1), [line]);
  const told = await logged(
    door.tagwarden,
    ({ requestId, level }) => requestId === 'push-v1' && level === 40,
  );
  t.match(told, { ...line, audit: undefined });
  const ready = await readinessAt(door.tagwarden.app.adminAddress);
  t.match(ready, { said: 'ok', states: { warned: 'of 1 writes' } }, 'and counted');
});

t.test('levels, uploads and deletes are told of too', async (t) => {
  const door = await startDoor(t);
  const { url } = door.tagwarden;
  t.match(warningOf(await push(door, 'latest', one)), /pushing .*latest needs owner, you have developer/);
  const upload = await ask(`${url}/v2/frozen/app/blobs/uploads/`, { method: 'POST' });
  t.equal(upload.status, 202);
  t.match(warningOf(upload), /container protected; you are not allowed to push to frozen\/app/);
  await push(door, 'v1', two);
  const digest = two.descriptor.digest;
  const removed = await ask(`${url}/v2/${repository}/manifests/${digest}`, { method: 'DELETE' });
  t.equal(removed.status, 202);
  t.match(warningOf(removed), /manifest is needed by immutable tag flightjs\/flight:v1 \(rule releases\)/);
  t.match(
    (await untilAudited(door, 3)).map(({ operation }) => operation),
    ['putManifest', 'startUpload', 'deleteManifest'],
  );
});

t.test('a rule beside it denies, and that is in the audit', async (t) => {
  const door = await startDoor(t);
  await push(door, 'e1', one);
  const denied = await push(door, 'e1', two);
  t.match(refusalOf(denied), /^403 DENIED: tag is immutable/);
  t.equal(headerOf(denied, 'warning'), undefined);
  t.equal(headerOf(denied, 'x-request-id'), 'push-e1');
  t.match(await untilAudited(door, 1), [
    {
      audit: 'denied',
      requestId: 'push-e1',
      status: 403,
      ruleIds: ['enforced'],
      digestBefore: one.descriptor.digest,
      digestAfter: two.descriptor.digest,
      reason: /tag is immutable/,
    },
  ]);
  t.notOk('upstreamStatus' in (auditOf(door)[0] ?? {}), 'nothing was sent');
});

t.test('a whole file may only warn', async (t) => {
  const door = await startDoor(t, `enforcement: warn\n${watched}`);
  await push(door, 'e1', one);
  const moved = await push(door, 'e1', two);
  t.match([moved.status, warningOf(moved)], [201, /rule enforced/]);
});

t.test('a rule that begins to deny is a new rule: pushes from before made no claim', async (t) => {
  const door = await startDoor(t);
  const { rulesFile, logs } = door.tagwarden;
  writeFileSync(rulesFile, watched.replaceAll('warn }', 'deny }'));
  await eventually('it is in force', () =>
    logs.some(({ msg, tagRules }) => /in force/.test(String(msg)) && tagRules === 3),
  );
  t.match(refusalOf(await push(door, 'v9', one)), /^429 TOOMANYREQUESTS: rule releases is new/);
  t.match(await untilAudited(door, 2), [
    {
      audit: 'rules',
      added: ['frozen: push=owner in frozen/*', 'releases: immutable ^v', 'latest: push=owner ^latest$'],
      removed: { length: 3 },
    },
    { audit: 'undecided', ruleIds: ['releases'], status: 429 },
  ]);
});

t.test('nothing waits long for a rule that refuses nothing', async (t) => {
  const silentToLookUps: Script = (req, res) => {
    if (req.method === 'PUT') req.on('end', () => res.writeHead(201, { 'Content-Length': 0 }).end()).resume();
  };
  const { url } = await startFront(t, silentToLookUps, { rules: watched });
  const beganMs = performance.now();
  const answer = await ask(`${url}/v2/a/manifests/v1`, { method: 'PUT', body: Buffer.from('{}') });
  const tookMs = performance.now() - beganMs;
  t.equal(answer.status, 201);
  t.match(warningOf(answer), /^299 tagwarden "could not be judged: cannot tell whether a:v1 exists/);
  // Its second, and a margin for a busy machine; a look-up that counts may take ten.
  t.ok(tookMs < 5_000, `${Math.round(tookMs)} ms`);
});

t.test(
  'fix: what is found out for a rule that only warns says nothing to a delete that is judged',
  async (t) => {
    const rules = `tag_rules:
  - { id: releases, tag_name_pattern: ^v, immutable: true }
  - { id: others, tag_name_pattern: ^w, immutable: true, enforcement: warn }
`;
    const door = await startDoor(t, rules);
    t.equal((await push(door, 'v1', one)).status, 201);
    const remove = (digest: string): Promise<Answer> =>
      ask(`${door.tagwarden.url}/v2/${repository}/manifests/${digest}`, { method: 'DELETE' });
    for (let round = 0; round < 5; round++) {
      // Those who are under way share their walks.
      const answers = await Promise.all(
        Array.from({ length: 60 }, async (_, index) => {
          if (index % 10 !== 5) return remove(imageOf(`${round} ${index}`).descriptor.digest);
          return refusalOf(await remove(one.descriptor.digest));
        }),
      );
      const refusals = answers.filter((answer) => typeof answer === 'string');
      t.equal(refusals.length, 6);
      for (const refusal of refusals) t.match(refusal, /^403 DENIED: manifest is needed by immutable tag/);
    }
    const stored = await storedManifest(door.registry.url, repository, 'v1');
    t.equal(stored.digest, one.descriptor.digest);
  },
);
