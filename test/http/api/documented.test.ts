import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ask } from '../../fixtures/client.ts';
import { startManagementApi, tokenNamed } from '../../fixtures/management-api.ts';

const document = readFileSync(join(import.meta.dirname, '../../../docs/api.md'), 'utf8');

interface Curl {
  readonly method: string;
  readonly headers: readonly string[];
  readonly body?: string;
  readonly url: string;
}

/** The few options of curl that the document uses; any other is an error. */
function readCurl(command: string, variables: Readonly<Record<string, string>>): Curl {
  const words = [...command.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, literal, quoted, bare]) =>
    (literal ?? quoted ?? bare ?? '').replace(/\$([A-Z]+)/g, (_, name: string) => variables[name] ?? ''),
  );
  const headers: string[] = [];
  const form: string[] = [];
  let [method, json, url]: (string | undefined)[] = [];
  for (let at = 1; at < words.length; at += 1) {
    const option = words[at] ?? '';
    if (!option.startsWith('-')) url = option;
    else if (option === '-X') method = words[(at += 1)];
    else if (option === '-H') headers.push(...(words[(at += 1)] ?? '').split(': '));
    else if (option === '-d') form.push(words[(at += 1)] ?? '');
    else if (option === '--json') json = words[(at += 1)];
    else throw new Error(`curl ${option}`);
  }
  const body = json ?? (form.length > 0 ? form.join('&') : undefined);
  const type = json === undefined ? 'application/x-www-form-urlencoded' : 'application/json';
  return {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: [...headers, ...(body === undefined ? [] : ['Content-Type', type])],
    ...(body !== undefined && { body }),
    url: url ?? '',
  };
}

t.test('the document shows what is answered', async (t) => {
  const api = await startManagementApi(t, { terraform: ['read:flightjs', 'write:flightjs'] });
  const variables = { API: `${api.url}/api`, TOKEN: tokenNamed('terraform') };
  const [, session = ''] = /```console\n([^]*?)```/.exec(document) ?? [];
  const steps = session.split(/^\$ /m).filter((step) => step !== '');
  t.equal(steps.length, 9);
  for (const step of steps) {
    const [command = '', ...output] = step.split('\n');
    const { url, ...question } = readCurl(command, variables);
    t.equal((await ask(url, question)).body, output.join('\n').trimEnd(), command);
  }
});

t.test('the document names every route of rules, and every role', (t) => {
  for (const kind of ['repository', 'tag']) {
    for (const method of ['GET', 'POST']) t.match(document, `\`${method} ${kind}/rules\``);
    for (const method of ['PATCH', 'DELETE']) t.match(document, `\`${method} ${kind}/rules/:id\``);
  }
  t.match(document, /`read`, `write` or\s`unlock`/);
  t.end();
});
