import t from 'tap';
import { startStack } from '../fixtures/compose.ts';
import { startContainerEngine, type ContainerEngine } from '../fixtures/container-engine.ts';
import { cable, startNamespace } from '../fixtures/network-namespace.ts';
import { imageScenarios } from '../scenarios/image.ts';
import { isolationScenarios, pushScenarios, type Site } from '../scenarios/stack.ts';

// One engine for all: what takes the time is to build the image, with whatever npm has to fetch for that.
t.setTimeout(15 * 60_000);
let engine: ContainerEngine;
t.before(async () => {
  engine = await startContainerEngine(t);
});

imageScenarios(t, () => engine);

t.test('docker-compose.yml', async (t) => {
  const outsider = await startNamespace(t);
  // Addresses for documentation (RFC 5737): nobody has them, and nothing leads there from here.
  const addresses = { machine: '192.0.2.2', gateway: '192.0.2.1' };
  await cable(outsider, engine.network, addresses);
  const stack = await startStack(t, engine, { TAGWARDEN_PUBLISH: '0.0.0.0:8080' });
  const site: Site = {
    engine,
    stack,
    outsider,
    outsiderAddress: addresses.machine,
    door: `http://${addresses.gateway}:8080`,
    localDoor: '127.0.0.1:8080',
  };
  isolationScenarios(t, () => site);
  pushScenarios(t, () => site);
  await Promise.resolve();
});
