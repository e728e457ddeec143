import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { commandCalled } from '../../src/app/commands.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { Written } from '../fixtures/scan.ts';

const documented = readFileSync(join(import.meta.dirname, '../../docs/cli.md'), 'utf8');

function blocksOf(language: string): readonly string[] {
  return [...documented.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(
    ([, text = '']) => text,
  );
}

t.test('docs/cli.md shows what the commands say', async (t) => {
  const cwd = temporaryDirectory(t);
  writeFileSync(join(cwd, 'rules.yaml'), blocksOf('yaml')[0] ?? '');
  writeFileSync(join(cwd, 'rules.json'), blocksOf('json')[0] ?? '');
  const examples = blocksOf('console');
  t.ok(examples.length >= 6, `${examples.length} examples`);
  for (const example of examples) {
    const [, command = '', shown = ''] = /^\$ tagwarden (.*)\n([^]*)$/.exec(example) ?? [];
    const [name = '', ...argv] = command.split(' ');
    const [out, err] = [new Written(), new Written()];
    await commandCalled(name)?.({ argv, env: {}, cwd, out, err });
    t.equal(out.text.replace(/"rules_version": ".*"/, '"rules_version": "VERSION"'), shown, command);
    t.equal(err.text, '');
  }
});
