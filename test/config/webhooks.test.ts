import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import t, { type Test } from 'tap';
import { configOf, errorsOf, inFile } from '../fixtures/loaded-config.ts';
import { temporaryDirectory } from '../fixtures/program.ts';

const secret = `whsec_${Buffer.alloc(24, 5).toString('base64')}`;
const usual = [
  'write.denied',
  'rule.changed',
  'rules.changed',
  'unlock.created',
  'unlock.used',
  'unlock.revoked',
  'tampering.seen',
];

function written(t: Test, text: string): string {
  const file = join(temporaryDirectory(t), 'secret');
  writeFileSync(file, text);
  return file;
}

t.test('in the file, and in one variable', (t) => {
  const file = written(t, secret);
  const { webhooks } = configOf(t, {
    file: `${inFile}webhooks:\n  - { url: "https://hooks.example/a?b=c", secret_file: ${file}, events: [write.warned] }\n`,
  });
  t.match(webhooks, [{ url: 'https://hooks.example/a?b=c', events: ['write.warned'], secretFile: file }]);
  t.equal(webhooks[0]?.secret.reveal(), secret);
  t.notMatch(
    `${inspect(webhooks)} ${JSON.stringify(webhooks)}`,
    secret.slice(6),
    'it shows itself to nobody',
  );
  const env = { TAGWARDEN_WEBHOOKS: `http://127.0.0.1:1/a ${file}, http://127.0.0.1:2 ${file}` };
  t.match(configOf(t, { env }).webhooks, [
    { url: 'http://127.0.0.1:1/a', events: usual, secretFile: file },
    { url: 'http://127.0.0.1:2', secretFile: file },
  ]);
  t.end();
});

t.test('what is wrong is told with its place', (t) => {
  const [good, bad] = [written(t, secret), written(t, 'a-password')];
  const entries = [
    `{ url: "ftp://x", secret_file: ${good} }`,
    `{ url: "http://u:p@x", secret_file: ${good} }`,
    `{ secret_file: ${good} }`,
    '{ url: "http://x" }',
    `{ url: "http://x", secret_file: ${bad} }`,
    `{ url: "http://x", secret_file: ${good}, events: [] }`,
    `{ url: "http://x", secret_file: ${good}, events: [write.denid] }`,
    `{ url: "http://x", secret_file: ${good}, secret: a }`,
    '"http://x"',
  ];
  const errors = errorsOf(t, {
    file: `${inFile}webhooks:\n${entries.map((entry) => `  - ${entry}\n`).join('')}`,
  });
  const told = [
    /webhooks\[0\]\.url: must start with http/,
    /webhooks\[1\]\.url: must hold no credentials/,
    /webhooks\[2\]: needs url/,
    /webhooks\[3\]: needs secret_file/,
    /webhooks\[4\]\.secret_file: .*secret must hold whsec_/,
    /webhooks\[5\]\.events: names no event/,
    /webhooks\[6\]\.events\[0\]: .*did you mean write.denied/,
    /webhooks\[7\]: unknown key "secret"/,
    /webhooks\[8\]: must be a mapping/,
  ];
  for (const pattern of told)
    t.ok(
      errors.some((error) => pattern.test(error)),
      pattern.source,
    );
  t.notMatch(errors.join(), /a-password/);
  t.match(errorsOf(t, { argv: ['--webhooks', 'http://x'] }), [/must be a URL and a file/]);
  t.end();
});
