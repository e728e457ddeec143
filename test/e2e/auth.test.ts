import t from 'tap';
import { startEngine, type Engine } from '../fixtures/docker.ts';
import { distribution2 } from '../fixtures/registry.ts';
import { skopeoWithLogin } from '../fixtures/skopeo.ts';
import { authScenarios, dockerMountScenario } from '../scenarios/auth.ts';
import { dockerSessions, layoutSessions } from '../scenarios/auth-client.ts';

let engine: Engine;
t.before(async () => {
  engine = await startEngine(t);
});

const docker = dockerSessions(() => engine);
authScenarios(t, docker, distribution2);
dockerMountScenario(t, docker, distribution2);
authScenarios(t, layoutSessions(skopeoWithLogin), distribution2);
