import t from 'tap';
import { startEngine, type Engine } from '../fixtures/docker.ts';
import { skopeoClient, skopeoWithLogin } from '../fixtures/skopeo.ts';
import { withoutZot, zot } from '../fixtures/zot.ts';
import { dockerSessions, layoutSessions } from '../scenarios/auth-client.ts';
import { authScenarios } from '../scenarios/auth.ts';
import { dockerScenarios } from '../scenarios/docker.ts';
import { endpointScenario } from '../scenarios/endpoints.ts';
import { layoutClientScenarios } from '../scenarios/layout-client.ts';
import { uploadScenarios } from '../scenarios/uploads.ts';

// Two layers of a gigabyte, on a slow machine.
t.setTimeout(15 * 60_000);
t.test('before zot', { skip: withoutZot }, async (t) => {
  t.setTimeout(15 * 60_000);
  let engine: Engine;
  t.before(async () => {
    engine = await startEngine(t);
  });
  const docker = dockerSessions(() => engine);
  dockerScenarios(t, () => engine, zot);
  layoutClientScenarios(t, skopeoClient, zot);
  authScenarios(t, docker, zot);
  authScenarios(t, layoutSessions(skopeoWithLogin), zot);
  endpointScenario(t, zot);
  uploadScenarios(t, zot);
  await Promise.resolve();
});
