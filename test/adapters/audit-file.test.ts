import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openAudit } from '../../src/adapters/audit-file.ts';

function linesOf(path: string): unknown[] {
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as unknown);
}

t.test('lines are appended, each with its time, and rotated away', (t) => {
  const path = join(t.testdir(), 'made', 'audit.jsonl');
  const errors: unknown[] = [];
  const audit = openAudit(path, { error: (fields: unknown) => void errors.push(fields) });
  audit.write({ audit: 'denied', text: 'a\nb' });
  t.match(linesOf(path), [{ time: /^20\d\d-.*Z$/, audit: 'denied', text: 'a\nb' }]);
  renameSync(path, `${path}.1`);
  audit.write({ audit: 'still the old one' });
  audit.reopen();
  audit.write({ audit: 'new' });
  t.match(linesOf(`${path}.1`), [{}, { audit: 'still the old one' }]);
  t.match(linesOf(path), [{ audit: 'new' }]);
  audit.close();
  t.same(errors, []);
  t.end();
});

t.test('fix: where it cannot be opened anew, the old file is written on, and nothing ends', (t) => {
  const directory = t.testdir({ logs: {} });
  const path = join(directory, 'logs', 'audit.jsonl');
  const errors: unknown[] = [];
  const audit = openAudit(path, { error: (fields: unknown) => void errors.push(fields) });
  renameSync(join(directory, 'logs'), join(directory, 'old'));
  // A file where the directory was.
  writeFileSync(join(directory, 'logs'), '');
  audit.reopen();
  t.match(errors, [{ path }]);
  audit.write({ audit: 'kept' });
  t.match(linesOf(join(directory, 'old', 'audit.jsonl')), [{ audit: 'kept' }]);
  t.notOk(existsSync(path));
  mkdirSync(join(directory, 'other'));
  audit.close();
  t.end();
});
