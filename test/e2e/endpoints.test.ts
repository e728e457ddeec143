import t from 'tap';
import { distribution2 } from '../fixtures/registry.ts';
import { endpointScenario } from '../scenarios/endpoints.ts';
import { uploadScenarios } from '../scenarios/uploads.ts';

endpointScenario(t, distribution2);
uploadScenarios(t, distribution2);
