import t from 'tap';
import { startEngine, type Engine } from '../fixtures/docker.ts';
import { distribution3 } from '../fixtures/registry.ts';
import { skopeoClient, skopeoWithLogin } from '../fixtures/skopeo.ts';
import { dockerSessions, layoutSessions } from '../scenarios/auth-client.ts';
import { authScenarios, dockerMountScenario } from '../scenarios/auth.ts';
import { dockerScenarios } from '../scenarios/docker.ts';
import { endpointScenario } from '../scenarios/endpoints.ts';
import { layoutClientScenarios } from '../scenarios/layout-client.ts';
import { brokenUploadScenario, uploadScenarios } from '../scenarios/uploads.ts';

let engine: Engine;
t.before(async () => {
  engine = await startEngine(t);
});

const docker = dockerSessions(() => engine);
dockerScenarios(t, () => engine, distribution3);
layoutClientScenarios(t, skopeoClient, distribution3);
authScenarios(t, docker, distribution3);
dockerMountScenario(t, docker, distribution3);
authScenarios(t, layoutSessions(skopeoWithLogin), distribution3);
endpointScenario(t, distribution3);
uploadScenarios(t, distribution3);
brokenUploadScenario(t, distribution3);
