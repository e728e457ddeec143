import type { Needs, TagFacts } from '../core/ports.ts';
import type { Timing } from './timing.ts';

/** The same ports, and it is noted how long what they ask of the upstream is waited for. */
export function timedPorts<Ports extends { readonly facts: TagFacts; readonly needs: Needs }>(
  ports: Ports,
  timing: Timing,
): Ports {
  const { facts, needs } = ports;
  return { ...ports, facts: timedFacts(facts, timing), needs: timedNeeds(needs, timing) };
}

function timedFacts(facts: TagFacts, timing: Timing): TagFacts {
  return {
    lookUp: (question) => timing.asking(() => facts.lookUp(question)),
    seen: (repository, tags, digest) => {
      facts.seen(repository, tags, digest);
    },
    gone: (repository, tag) => {
      facts.gone(repository, tag);
    },
  };
}

function timedNeeds(needs: Needs, timing: Timing): Needs {
  return {
    partsOf: (question) => timing.asking(() => needs.partsOf(question)),
    textOf: (question) => timing.asking(() => needs.textOf(question)),
    tagsNeeding: (question) => timing.asking(() => needs.tagsNeeding(question)),
    pushed: (sha256, found) => {
      needs.pushed(sha256, found);
    },
  };
}
