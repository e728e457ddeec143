import t from 'tap';
import { distribution2 } from '../fixtures/registry.ts';
import { collectionScenario } from '../scenarios/collection.ts';
import { deleteScenarios } from '../scenarios/deletes.ts';
import { launderingScenario } from '../scenarios/laundering.ts';

// A slow machine, or a counterexample that is being made small.
t.setTimeout(15 * 60_000);
deleteScenarios(t, distribution2, { repositories: 120, withCaches: true });
collectionScenario(t, distribution2, { untaggedChildrenStay: false });
launderingScenario(t, distribution2);
