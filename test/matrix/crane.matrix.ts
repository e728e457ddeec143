import t from 'tap';
import { craneClient } from '../fixtures/crane.ts';
import { distribution2, distribution3 } from '../fixtures/registry.ts';
import { layoutClientScenarios } from '../scenarios/layout-client.ts';

for (const release of [distribution2, distribution3]) layoutClientScenarios(t, craneClient, release);
