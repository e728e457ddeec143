import t from 'tap';
import { orasClient } from '../fixtures/oras.ts';
import { distribution2, distribution3 } from '../fixtures/registry.ts';
import { layoutClientScenarios } from '../scenarios/layout-client.ts';

for (const release of [distribution2, distribution3]) layoutClientScenarios(t, orasClient, release);
