import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import type { ImmutabilitySwitch } from '../../src/adapters/immutability-switch.ts';
import { steadyClock } from '../../src/adapters/clock.ts';
import { SwitchFile } from '../../src/adapters/switch-file.ts';
import { StoreAway } from '../../src/core/ports.ts';
import { eventually } from '../fixtures/eventually.ts';
import { errorLevel, LookByLook } from '../fixtures/rules-file.ts';

const rest = 'upstream:\n  url: http://127.0.0.1:5000\n  password_file: ./not-there\n';
const section = `${rest}immutability:\n  tombstone_file: ./tombstones\n`;
const on = `${section}  enabled: true\n`;
const off = `${section}  enabled: false\n`;

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly errors?: readonly string[];
}

function watch(t: Test, text: string, isEnabled: boolean) {
  const path = join(t.testdir({ 'tagwarden.yaml': text }), 'tagwarden.yaml');
  const clock = new LookByLook();
  const lines: Line[] = [];
  const positions: boolean[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line) as Line) });
  const switched: ImmutabilitySwitch = {
    switchImmutability: (position) => {
      positions.push(position);
      return Promise.resolve();
    },
  };
  const file = new SwitchFile({ path, isEnabled, switched, log, clock });
  t.teardown(() => {
    file.close();
  });
  return { clock, path, lines, positions, file };
}

t.test('a change of immutability.enabled switches within a second', async (t) => {
  const { clock, path, positions } = watch(t, on, true);
  await clock.looks(5);
  t.same(positions, [], 'what is there at the start is no change');
  writeFileSync(path, off);
  t.ok((await clock.until(() => positions.length === 1)) < 1000);
  writeFileSync(path, `${off}log: { level: debug }\n`);
  await clock.looks(8);
  t.same(positions, [false], 'nor is what does not concern it');
  writeFileSync(path, rest);
  t.ok((await clock.until(() => positions.length === 2)) < 1000, 'without the key it is on');
  t.same(positions, [false, true]);
});

t.test('a change from before the file was first looked at counts', async (t) => {
  const { clock, positions } = watch(t, off, true);
  await clock.until(() => positions.length === 1);
  t.same(positions, [false]);
});

t.test('a file that is broken, or gone, changes nothing', async (t) => {
  const { clock, path, lines, positions } = watch(t, off, false);
  const cases: [text: string | undefined, reason: RegExp][] = [
    [undefined, /tagwarden\.yaml:.*ENOENT/],
    ['', /1:1 the document is empty/],
    ['%YAML 1.1\n---\nimmutability: { enabled: true }\n', /a directive is not accepted/],
    ['immutability:\n  enabled: maybe\n', /2:12 immutability\.enabled: must be true or false/],
    ['immutability:\n  enable: true\n', /unknown key "enable"/],
    ['imutability:\n  enabled: true\n', /unknown key "imutability"; did you mean immutability/],
    ['immutability:\n  enabled: true\n  enabled: false\n', /given twice/],
  ];
  for (const [text, reason] of cases) {
    if (text === undefined) rmSync(path);
    else writeFileSync(path, text);
    await clock.looks(8);
    t.match(lines.at(-1), { level: errorLevel, errors: [reason] }, String(reason));
  }
  t.equal(lines.length, cases.length, 'each is told once');
  t.same(positions, []);
  writeFileSync(path, on);
  await clock.until(() => positions.length === 1);
  t.same(positions, [true]);
});

t.test('a write that stops half-way never switches off, nor on for a moment', async (t) => {
  for (const [text, other] of [
    [on, `# Another beginning.\n${on}`],
    [off, `# Another beginning.\n${off}`],
  ] as const) {
    const { clock, path, positions } = watch(t, text, text === on);
    for (let length = 0; length <= other.length; length++) {
      writeFileSync(path, other.slice(0, length));
      await clock.looks(3);
    }
    t.same(positions, []);
  }
});

t.test('what cannot be passed on is tried until it can', async (t) => {
  let isAway = true;
  const tries: boolean[] = [];
  const positions: boolean[] = [];
  const lines: string[] = [];
  const path = join(t.testdir({ 'tagwarden.yaml': on }), 'tagwarden.yaml');
  const file = new SwitchFile({
    ...{ path, isEnabled: true, clock: steadyClock },
    log: pino({}, { write: (line: string) => void lines.push(line) }),
    switched: {
      switchImmutability: (position) => {
        tries.push(position);
        if (isAway) return Promise.reject(new StoreAway('away'));
        positions.push(position);
        return Promise.resolve();
      },
    },
  });
  t.teardown(() => {
    file.close();
  });
  writeFileSync(path, off);
  await eventually('it was tried again', () => tries.length === 3);
  t.same(positions, []);
  writeFileSync(path, on);
  await eventually('it is taken back', () => lines.length === 2);
  isAway = false;
  writeFileSync(path, off);
  await eventually('it was passed on', () => positions.length > 0);
  t.same(positions, [false], 'and what was taken back was not');
});
