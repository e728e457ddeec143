import t from 'tap';
import { distribution3 } from '../fixtures/registry.ts';
import { collectionScenario } from '../scenarios/collection.ts';
import { deleteScenarios } from '../scenarios/deletes.ts';
import { launderingScenario } from '../scenarios/laundering.ts';

// A slow machine, or a counterexample that is being made small.
t.setTimeout(15 * 60_000);
deleteScenarios(t, distribution3, { repositories: 80, withCaches: false });
collectionScenario(t, distribution3, { untaggedChildrenStay: true });
launderingScenario(t, distribution3);
