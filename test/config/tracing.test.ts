import t from 'tap';
import { configOf, errorsOf, inFile } from '../fixtures/loaded-config.ts';

t.test('where spans go, and how many', (t) => {
  const file = `${inFile}tracing: { endpoint: "http://c:4318/v1/traces", sample_ratio: 0.25, ca_file: ca.pem }\n`;
  t.match(configOf(t, { file }).tracing, {
    ...{ endpoint: 'http://c:4318/v1/traces', sampleRatio: 0.25 },
    ca: /BEGIN CERTIFICATE/,
  });
  const argv = ['--tracing-endpoint', 'https://c/v1/traces'];
  t.strictSame(configOf(t, { argv }).tracing, { endpoint: argv[1], ca: undefined, sampleRatio: 1 });
  for (const [text, ratio] of [
    ['0', 0],
    ['1', 1],
    ['1.0', 1],
    ['.5', 0.5],
    ['0.001', 0.001],
  ] as const)
    t.equal(configOf(t, { argv: [...argv, '--tracing-sample-ratio', text] }).tracing?.sampleRatio, ratio);
  t.end();
});

t.test('what is wrong is told', (t) => {
  for (const text of ['1.1', '-1', '2', 'half', '50%', '1e-3', '.'])
    t.match(errorsOf(t, { argv: ['--tracing-sample-ratio', text] }), [/must be from 0 to 1/], text);
  t.match(errorsOf(t, { argv: ['--tracing-endpoint', 'collector:4318'] }), [/must start with http/]);
  t.match(errorsOf(t, { argv: ['--tracing-ca-file', 'ca.pem'] }), [
    /tracing-ca-file: needs tracing.endpoint too/,
  ]);
  t.end();
});
