import { isDeepStrictEqual } from 'node:util';
import t from 'tap';
import { headerValues } from '../../src/core/header-list.ts';
import { eventually } from '../fixtures/eventually.ts';
import {
  digestNow,
  layOut,
  lookAround,
  prey,
  pushFree,
  quarryRules,
  repair,
  untouched,
} from '../fixtures/quarry.ts';
import { sendRaw, type Address, type RawReply } from '../fixtures/raw.ts';
import { Recorder } from '../fixtures/recorder.ts';
import { startRegistry } from '../fixtures/registry.ts';
import { families, type Spelling } from '../fixtures/spellings.ts';
import { startTagwarden } from '../fixtures/tagwarden.ts';

const corpus = families(prey);
const cases = corpus.flatMap(({ name, spellings }) =>
  spellings.map((spelling) => ({ ...spelling, name: `${name}: ${spelling.name}` })),
);
const batchSize = 20;
/** Families of which at least one must work against distribution 2.8, or they test nothing. */
const dangerous = [
  ...[
    'each character percent-encoded',
    'each character of a delete percent-encoded',
    'encoded more than once',
  ],
  ...['absolute forms', 'deletes by digest', 'other queries', 'form bodies of uploads', 'another protocol'],
  ...['a length and chunks', 'lengths', 'transfer codings', 'chunks', 'lines', 'versions', 'pipelined'],
];

/** What no client writes, and what nobody may do: of these the upstream hears nothing at all. */
const silent = [
  ...['the tag itself', 'each character percent-encoded', 'each character of a delete percent-encoded'],
  ...['encoded more than once', 'segments that are cleaned away', 'absolute forms', 'deletes by digest'],
  ...['UTF-8, in and out of its grammar', 'characters that end or begin something', 'other queries'],
  ...['headers twice, or none', 'versions', 'no headers at all'],
];

/** They could be understood, but not by everybody alike. */
const refused = ['each character percent-encoded', 'encoded more than once', 'absolute forms'];

/** A server that follows the protocol closes, unless the message is one that leaves it waiting. */
function sendTo(address: Address, { pieces, staysOpen }: Spelling): Promise<RawReply> {
  return sendRaw(address, pieces, staysOpen ? { quietMs: 250 } : {});
}

t.test('the corpus', (t) => {
  t.comment(corpus.map(({ name, spellings }) => `${spellings.length} ${name}`).join(', '));
  t.ok(cases.length >= 300, `${cases.length} spellings`);
  t.equal(new Set(cases.map(({ name }) => name)).size, cases.length, 'every one has a name of its own');
  const sent = cases.map(({ pieces }) => pieces.map((piece) => piece.toString('base64')).join('|'));
  t.equal(new Set(sent).size, cases.length, 'no two are the same');
  t.end();
});

t.test('before a real registry: nothing that is protected changes', async (t) => {
  const { url } = await startRegistry(t);
  const past = { host: '127.0.0.1', port: Number(new URL(url).port) };
  await layOut(url);
  const tagwarden = await startTagwarden(t, { upstream: url, rules: quarryRules });
  const send = (spelling: Spelling): Promise<RawReply> => sendTo(tagwarden, spelling);

  for (let at = 0; at < cases.length; at += batchSize) {
    const batch = cases.slice(at, at + batchSize);
    for (const spelling of batch) await send(spelling);
    const names = `${batch[0]?.name ?? ''} … ${batch.at(-1)?.name ?? ''}`;
    if (t.same(await lookAround(url), untouched, names)) continue;
    t.fail(`the culprits are ${(await sendEach(batch, send, url)).join(', ')}`);
  }
  const { status, digest } = await pushFree(tagwarden.url, 'an ordinary push');
  t.equal(status, 201, 'an ordinary push to a tag that is not protected is let in');
  t.equal(await digestNow(url, 'free'), digest, 'and moves it');

  const poisons = corpus.find(({ name }) => name === 'another host in a header')?.spellings ?? [];
  for (const poison of poisons) {
    const [response] = (await send(poison)).responses;
    const [location = ''] = headerValues(response?.headers ?? [], 'location');
    t.match(location, /^http:\/\/registry\.example\/v2\/prod\/app\//, `Location, ${poison.name}`);
  }

  const suspects = cases.filter((it) => dangerous.some((family) => it.name.startsWith(`${family}: `)));
  const harmful = await sendEach(suspects, ({ pieces }) => sendRaw(past, pieces, { quietMs: 50 }), url);
  t.ok(
    harmful.length >= 200,
    `${harmful.length} of ${suspects.length} do harm when they are sent past Tagwarden`,
  );
  for (const family of dangerous) {
    const count = harmful.filter((name) => name.startsWith(`${family}: `)).length;
    t.ok(count > 0, `${count} of "${family}" do`);
  }
});

/** Sends each for itself, and answers the names of those that changed what is protected. */
async function sendEach(
  spellings: readonly Spelling[],
  send: (spelling: Spelling) => Promise<unknown>,
  url: string,
): Promise<readonly string[]> {
  await layOut(url);
  const harmful: string[] = [];
  for (const spelling of spellings) {
    await send(spelling);
    const found = await lookAround(url);
    if (isDeepStrictEqual(found, untouched)) continue;
    harmful.push(spelling.name);
    await repair(url, found);
  }
  return harmful;
}

t.test('before a recording upstream: it hears what was judged, and nothing else', async (t) => {
  const recorder = await Recorder.start(t, prey);
  const tagwarden = await startTagwarden(t, { upstream: recorder.url, rules: quarryRules });
  let forwarded = 0;

  for (const spelling of cases) {
    const before = recorder.mark(tagwarden.logs);
    const { responses } = await sendTo(tagwarden, spelling);
    await eventually(spelling.name, () => recorder.isSettled(before)).catch(() => undefined);
    t.same(recorder.violations(before, responses), [], spelling.name);
    const heard = recorder.forwardedSince(before).length;
    const isOf = (list: readonly string[]): boolean =>
      list.some((family) => spelling.name.startsWith(`${family}: `));
    if (isOf(silent)) t.equal(heard, 0, 'nothing was heard');
    if (isOf(refused)) t.match(responses, [{ status: 400 }], 'it was refused');
    forwarded += heard;
  }
  t.ok(forwarded >= 50, `${forwarded} messages reached the upstream, for what they are`);
});
