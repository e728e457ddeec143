import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { commandCalled } from '../../src/app/commands.ts';
import { startTagwardenOfApi, tokenNamed } from '../fixtures/management-api.ts';
import { temporaryDirectory } from '../fixtures/program.ts';
import { immutable } from '../fixtures/rules-file.ts';
import { Written } from '../fixtures/scan.ts';
import { answerOci, startUpstream } from '../fixtures/upstream.ts';

interface Ran {
  readonly exitCode: number | undefined;
  readonly out: string;
  readonly err: string;
}

async function run(cwd: string, token: string, command: string): Promise<Ran> {
  const [name = '', ...argv] = command.split(' ');
  const [out, err] = [new Written(), new Written()];
  const env = { TAGWARDEN_API_TOKEN: tokenNamed(token) };
  const exitCode = await commandCalled(name)?.({ argv, env, cwd, out, err });
  return { exitCode, out: out.text, err: err.text };
}

const there = `sha256:${'a'.repeat(64)}`;

async function startInstance(t: Test) {
  const { url } = await startUpstream(t, (req, res) => {
    if (req.url?.endsWith('/v1.0')) res.writeHead(200, { 'Docker-Content-Digest': there }).end();
    else answerOci(res, 404, 'MANIFEST_UNKNOWN');
  });
  const directory = temporaryDirectory(t);
  const flags = ['--rules-managed-file', join(directory, 'managed.yaml')];
  const roles = { root: ['read', 'write'], reader: ['read:team'] };
  const { adminUrl } = await startTagwardenOfApi(t, { upstream: url, rules: immutable('^v'), roles, flags });
  return { directory, adminUrl };
}

t.test('rules list, add and remove, and explain, of a running Tagwarden', async (t) => {
  const { directory, adminUrl } = await startInstance(t);
  const at = `--instance ${adminUrl} --project team`;
  const root = (command: string): Promise<Ran> => run(directory, 'root', command);

  t.match(await root(`rules list ${at}`), { exitCode: 0, out: 'no rules\n', err: '' });
  const added = await root(`rules add ${at} --tag ^latest$ --push maintainer --delete owner`);
  t.match(added, { exitCode: 0, out: 'tag  1  tag ^latest$  push ≥ maintainer, delete ≥ owner\n' });
  const json = await root(`rules add ${at} --repository team/* --push owner --warn --json`);
  t.match(JSON.parse(json.out), { id: 2, repository_path_pattern: 'team/*', enforcement: 'warn' });
  t.match((await root(`rules add ${at} --tag ^rc --immutable`)).out, 'tag  3  tag ^rc  immutable');
  const { out } = await root(`rules list ${at}`);
  t.match(out, /repository +2 +team\/\* +push ≥ owner, only warns\n/);
  t.match(await root(`rules add ${at} --tag ^rc --immutable`), {
    exitCode: 69,
    err: /422: .*already been taken/,
  });
  t.match(await run(directory, 'reader', `rules remove ${at} tag 3`), { exitCode: 69, err: /403/ });
  t.match(await root(`rules remove ${at} tag 3`), { exitCode: 0, out: '' });
  t.match(await root(`rules remove ${at} tag 3`), { exitCode: 69, err: /404/ });

  const asks = (what: string, token = 'root'): Promise<Ran> =>
    run(directory, token, `explain ${what} --instance ${adminUrl}`);
  t.match(await asks('push team/app:v1.0 --as ci'), {
    exitCode: 1,
    out: /tag is immutable; team\/app:v1.0 is sha256:aaaa/,
  });
  t.match(await asks(`push team/app:v1.0 --digest ${there}`), { exitCode: 0 });
  t.match(await asks('push team/app:v2 --as ci'), { exitCode: 0, out: /v2 is not there/ });
  t.match(await asks(`delete team/app:v2 --is ${there}`), { exitCode: 1 });
  t.match(await asks('push team/app:latest --level owner --group g'), {
    exitCode: 0,
    out: /met +needs maintainer/,
  });
  t.match(await asks('push team/app:latest'), { exitCode: 1, out: /denies, only warns/ });
  t.match(await asks('push team/app:latest', 'reader'), { exitCode: 1 });
  t.match(await asks('push other/app:latest', 'reader'), { exitCode: 69, err: /404/ });
  t.match(await asks('push team/app:latest', 'nobody'), { exitCode: 69, err: /401/ });
});

t.test('what is asked wrongly, and what does not answer', async (t) => {
  const directory = temporaryDirectory(t);
  const cases: readonly (readonly [command: string, exitCode: number, err: RegExp])[] = [
    ['rules', 64, /rules needs one of list, add, remove, import/],
    ['rules list', 64, /either --instance URL or --rules FILE/],
    [
      'rules add --project a --tag v --repository a --instance http://h',
      64,
      /either --repository PATTERN or --tag/,
    ],
    ['rules remove --instance http://h --project a tag', 64, /a kind and a number/],
    ['rules remove --instance ftp://h --project a tag 1', 64, /flag --instance: must be a scheme/],
    ['rules list --nonsense x --rules rules.yaml', 64, /flag --nonsense: unknown/],
    ['rules list --rules absent.yaml', 1, /cannot read .*absent.yaml/],
    ['rules list --instance http://127.0.0.1:9 --project a', 69, /does not answer/],
    [
      'rules list --instance http://127.0.0.1:9 --project a --token-file none',
      69,
      /cannot read none: ENOENT/,
    ],
    ['explain push', 64, /explain push needs REPOSITORY:TAG/],
    ['explain push a/b:v1 --is x --rules rules.yaml', 64, /flag --is: "x" is no digest/],
    ['explain push a/b:v1 --upstream http://127.0.0.1:1', 64, /rules.file: is required/],
    [
      'explain push a/b:v1 --instance http://127.0.0.1:9 --upstream http://h',
      64,
      /does nothing with --instance/,
    ],
    ['explain push a/b:v1 --instance http://127.0.0.1:9', 69, /does not answer/],
  ];
  for (const [command, exitCode, err] of cases)
    t.match(await run(directory, 'root', command), { exitCode, out: '', err }, command);
});

t.test('rules import writes over nothing, unless it is told to', async (t) => {
  const directory = temporaryDirectory(t);
  const file = join(directory, 'rules.yaml');
  const repositories = [{ repositoryName: 'a', imageTagMutability: 'IMMUTABLE' }];
  writeFileSync(join(directory, 'ecr.json'), JSON.stringify({ repositories }));
  writeFileSync(join(directory, 'bad.json'), JSON.stringify({ repositories: [...repositories, { x: 1 }] }));
  const bad = await run(directory, 'root', 'rules import bad.json --output rules.yaml');
  t.match(bad, { exitCode: 1, err: /ECR's repository 2: has neither/ });
  t.notOk(existsSync(file), 'nothing half');
  t.match(await run(directory, 'root', 'rules import ecr.json --output rules.yaml'), {
    exitCode: 0,
    err: /note: /,
  });
  const written = readFileSync(file, 'utf8');
  writeFileSync(file, 'mine');
  const again = 'rules import ecr.json --output rules.yaml';
  t.match(await run(directory, 'root', again), { exitCode: 1, err: /is there already; --force/ });
  t.equal(readFileSync(file, 'utf8'), 'mine');
  t.match(await run(directory, 'root', `${again} --force`), { exitCode: 0 });
  t.equal(readFileSync(file, 'utf8'), written);
});
