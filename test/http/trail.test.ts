import t from 'tap';
import { newTrail, trailHeaders } from '../../src/http/trail.ts';
import { denied } from '../../src/core/verdict.ts';

t.test('a request keeps its id where that can be logged and sent as it is', (t) => {
  const idOf = (given: string | undefined): string => newTrail(given, () => 'made').requestId;
  t.equal(idOf('from-the-client'), 'from-the-client');
  for (const given of [undefined, '', 'a b', 'é', 'a\n', 'x'.repeat(129)])
    t.equal(idOf(given), 'made', String(given));
  t.end();
});

t.test('a warning is ASCII, quoted, and not longer than a head may be', (t) => {
  const trail = newTrail(undefined, () => 'made');
  trail.warnings.push(denied(['r'], 'tag "a\\b" is sha256:1… and é', {}));
  trail.warnings.push(denied(['r'], 'x'.repeat(100_000), {}));
  const [, id, , first = '', , second = ''] = trailHeaders(trail);
  t.equal(id, 'made');
  t.equal(first, '299 tagwarden "would be denied: tag \\"a\\\\b\\" is sha256:1... and ?"');
  t.ok(second.length < 500, `${second.length} characters`);
  t.end();
});
