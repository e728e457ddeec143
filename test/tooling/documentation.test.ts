import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { diagrams, drawDiagrams } from '../../config/diagrams.mjs';
import { snippetsOf } from '../fixtures/snippets.ts';
import { projectRoot } from '../fixtures/start.ts';

const read = (path: string): string => readFileSync(join(projectRoot, path), 'utf8');
const docs = readdirSync(join(projectRoot, 'docs')).filter((name) => name.endsWith('.md'));
const pages = ['README.md', 'CHANGELOG.md', ...docs.map((name) => `docs/${name}`)];

/** As GitHub makes it of a heading. */
function anchorOf(heading: string): string {
  const plain = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
  return plain.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
}

function anchorsOf(page: string): readonly string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));
}

t.test('every link leads somewhere', (t) => {
  let count = 0;
  for (const page of pages) {
    const prose = read(page).replace(/^ *```[\s\S]*?^ *```$/gm, '');
    for (const [, target = ''] of prose.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      count += 1;
      const [path = '', anchor] = target.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(projectRoot, file))) t.fail(`${page}: ${target}`);
      else if (anchor !== undefined && !anchorsOf(file).includes(anchor))
        t.fail(`${page}: ${target} has no such heading`);
    }
  }
  t.ok(count > 60, `${count} links`);
  t.end();
});

t.test('docs/README.md lists every page', (t) => {
  const index = read('docs/README.md');
  for (const name of docs.filter((name) => name !== 'README.md')) t.ok(index.includes(`](${name})`), name);
  t.end();
});

t.test('the pictures are those of their sources, and each is shown', async (t) => {
  const drawn = await drawDiagrams();
  t.strictSame(
    readdirSync(diagrams).filter((name) => name.endsWith('.svg')),
    Object.keys(drawn),
  );
  for (const [name, svg] of Object.entries(drawn)) {
    t.equal(readFileSync(join(diagrams, name), 'utf8'), svg, `${name}: npm run generate`);
    t.ok(
      pages.some((page) => read(page).includes(`diagrams/${name})`)),
      `${name} is shown`,
    );
  }
});

t.test('the quick start is two commands, which npm knows', (t) => {
  const [tryIt = ''] = snippetsOf('README.md', 'sh');
  const commands = tryIt.split('\n').flatMap((line) => /^npm (?:run )?(\w+)/.exec(line)?.[1] ?? []);
  t.strictSame(commands, ['start', 'demo'], 'what npm run test:fresh runs');
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  for (const [, name = ''] of pages
    .map(read)
    .join('\n')
    .matchAll(/npm run ([\w:]+)/g))
    t.ok(name in scripts, name);
  t.end();
});
