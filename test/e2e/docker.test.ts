import t from 'tap';
import { startEngine, type Engine } from '../fixtures/docker.ts';
import { distribution2 } from '../fixtures/registry.ts';
import { dockerScenarios } from '../scenarios/docker.ts';

let engine: Engine;
t.before(async () => {
  engine = await startEngine(t);
});

dockerScenarios(t, () => engine, distribution2);
