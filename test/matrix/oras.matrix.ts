import t from 'tap';
import { orasClient, orasWithLogin } from '../fixtures/oras.ts';
import { distribution2, distribution3 } from '../fixtures/registry.ts';
import { layoutSessions } from '../scenarios/auth-client.ts';
import { authScenarios } from '../scenarios/auth.ts';
import { layoutClientScenarios } from '../scenarios/layout-client.ts';

for (const release of [distribution2, distribution3]) {
  layoutClientScenarios(t, orasClient, release);
  authScenarios(t, layoutSessions(orasWithLogin), release);
}
