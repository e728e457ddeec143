import t from 'tap';
import { craneClient, craneWithLogin } from '../fixtures/crane.ts';
import { distribution2, distribution3 } from '../fixtures/registry.ts';
import { layoutSessions } from '../scenarios/auth-client.ts';
import { authScenarios } from '../scenarios/auth.ts';
import { layoutClientScenarios } from '../scenarios/layout-client.ts';

for (const release of [distribution2, distribution3]) {
  layoutClientScenarios(t, craneClient, release);
  authScenarios(t, layoutSessions(craneWithLogin), release);
}
