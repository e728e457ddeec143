import { pino } from 'pino';
import t from 'tap';
import { readable } from '../../src/adapters/readable-log.ts';

const plain = { isColoured: false, showsPid: false };

/** What pino would have written. */
function lineOf(fields: object, msg?: string): string {
  let text = '';
  const log = pino({ timestamp: () => ',"time":1764513067112' }, { write: (line) => void (text = line) });
  log.warn(fields, msg);
  return text;
}

t.test('time, level, message, and what is known as key=value', (t) => {
  const line = lineOf(
    { method: 'PUT', durationMs: 4, ruleIds: ['releases'], reason: 'tag is immutable' },
    'refused',
  );
  t.equal(
    readable(line, plain),
    '2025-11-30T14:31:07.112Z WARN  refused method=PUT durationMs=4 ruleIds=["releases"] reason="tag is immutable"\n',
  );
  t.match(readable(line, { ...plain, showsPid: true }), ` refused pid=${process.pid} method=PUT`);
  t.notMatch(readable(line, plain), /hostname/);
  t.match(readable(lineOf({ a: 'b=c', d: '"', e: '' }), plain), ' a="b=c" d="\\"" e=""');
  t.end();
});

t.test('an error: what it says on the line, and where it came from below', (t) => {
  const [first, ...rest] = readable(lineOf({ err: new TypeError('no such\nthing') }, 'failed'), plain).split(
    '\n',
  );
  t.match(first, / WARN {2}failed err="no such\\nthing"$/);
  t.match(rest[0], /^ {4}TypeError: no such$/);
  t.match(rest.join('\n'), /\n {4}at .*readable-log\.test\.ts/);
  t.match(readable(lineOf({ err: 'text' }), plain), ' err=text');
  t.end();
});

t.test('what a client sends is shown by a terminal, and not obeyed', (t) => {
  const escape = '\u001b[2J\u009b31m\u007f\u202etxt\r\n2025-11-30T14:31:07.112Z INFO  listening';
  for (const line of [
    lineOf({ userAgent: escape }),
    lineOf({}, escape),
    lineOf({ err: new Error(escape) }),
  ]) {
    const text = readable(line, plain);
    t.match(text.slice(0, -1).replaceAll('\n    ', ''), /^[\x20-\x7e]+$/);
  }
  t.end();
});

t.test('colours are for terminals', (t) => {
  t.match(readable(lineOf({ a: 1 }, 'm'), { ...plain, isColoured: true }), '\u001b[33mWARN \u001b[0m');
  t.end();
});
