import t from 'tap';
import { distribution2 } from '../fixtures/registry.ts';
import { skopeoClient } from '../fixtures/skopeo.ts';
import { layoutClientScenarios } from '../scenarios/layout-client.ts';

layoutClientScenarios(t, skopeoClient, distribution2);
