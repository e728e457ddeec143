import t from 'tap';
import { digestsOf } from '../../src/adapters/digests.ts';
import { StoreAway } from '../../src/core/ports.ts';
import { settled } from '../fixtures/clock.ts';
import { eventually } from '../fixtures/eventually.ts';
import { answered, Scene } from '../fixtures/create-once.ts';
import { immutableTags, ruleSet } from '../fixtures/rules.ts';

const one = digestsOf(Buffer.from('one')).sha256;
const rules = ruleSet({
  tagRules: [immutableTags('releases', '^v', { tombstone: true }), immutableTags('others', '.*')],
});

t.test('a name that a rule keeps is taken for good before the client is told', async (t) => {
  const scene = await Scene.open(t);
  let end: (() => void) | undefined;
  scene.bury = () => new Promise((resolve) => (end = resolve));
  const push = scene.push('one', answered(201), { rules });
  let isOver = false;
  void push.then(() => (isOver = true));
  // What is journalled takes its time on the disk.
  await eventually('it is being buried', () => end !== undefined);
  await settled();
  t.equal(scene.puts, 1);
  t.notOk(isOver);
  end?.();
  t.match(await push, { kind: 'sent' });
  t.same(scene.buried, [`a:v1 ${one}`]);
});

t.test('other pushes wait for nothing', async (t) => {
  const scene = await Scene.open(t);
  scene.bury = () => Promise.reject(new Error('nobody should ask'));
  t.match(await scene.push('one', answered(201), { rules, target: '/v2/a/manifests/u' }), { kind: 'sent' });
  t.match(await scene.push('one', answered(400), { rules }), { kind: 'sent' }, 'nothing was created');
  t.match(await scene.push('one', answered(500), { rules }), { kind: 'sent' }, 'nor does anybody know of it');
});

t.test('of several tags those are buried that were created and are kept', async (t) => {
  const scene = await Scene.open(t);
  const target = `/v2/a/manifests/${one}?tag=v1&tag=v2&tag=u`;
  t.match(await scene.push('one', answered(201, ['u', 'v2']), { rules, target }), { kind: 'sent' });
  t.same(scene.buried, [`a:v2 ${one}`]);
});

t.test('a store that goes away before: nobody is told of a success until it is back', async (t) => {
  const scene = await Scene.open(t);
  scene.bury = () => Promise.reject(new StoreAway('gone'));
  t.equal((await scene.push('one', answered(201), { rules })).kind, 'unacknowledged');
  t.same(scene.createdTags, ['v1'], 'it was created, though');
  scene.tags.set('v1', 'one');
  t.equal((await scene.push('one', answered(201), { rules })).kind, 'unacknowledged');
  scene.bury = () => Promise.resolve();
  t.match(await scene.push('one', answered(201), { rules }), { kind: 'sent' });
  t.same(scene.buried, [`a:v1 ${one}`]);
});

t.test('a disk that is full: likewise', async (t) => {
  const scene = await Scene.open(t);
  scene.bury = () => Promise.reject(new Error('no space left on device'));
  await t.rejects(scene.push('one', answered(201), { rules }), { message: 'no space left on device' });
  t.same(scene.buried, []);
});
