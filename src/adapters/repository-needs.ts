import { contentOf } from '../config/rule-content.ts';
import { headerValues } from '../core/header-list.ts';
import type { ManifestNeeds } from '../core/manifest.ts';
import type { NeedQuestion, Needs, PartsQuestion, TextQuestion } from '../core/ports.ts';
import type { Digest } from '../core/reference.ts';
import type { NeedFact, PartsFact, TextFact } from '../core/verdict.ts';
import { forEachBounded } from './bounded.ts';
import type { Unknown } from './patient-reader.ts';
import { SharedWork } from './shared-work.ts';
import { concurrency, Survey, type SurveyPorts } from './survey.ts';

/** Finds out which tags need a digest, by a walk over their repository that all who ask at the same time share. */
export class RepositoryNeeds implements Needs {
  readonly #ports: SurveyPorts;
  readonly #shared = new SharedWork<Survey | Unknown>();

  constructor(ports: SurveyPorts) {
    this.#ports = ports;
  }

  async tagsNeeding(question: NeedQuestion): Promise<NeedFact> {
    const { target, claimed, isManifest } = question;
    const walked = await this.#shared.join(keyOf(question), () => this.#walkTags(question));
    if (!(walked instanceof Survey)) return walked;
    const own = new Survey(this.#ports, question, walked);
    // A claim carries what its manifest needs at any depth.
    for (const { tag, digest, needs } of claimed) {
      own.graph.point(tag, digest);
      own.graph.need(digest, needs);
    }
    const names = isManifest ? await own.climb(target) : [target];
    return 'state' in names ? names : { state: 'known', tags: own.graph.tagsNeeding(names) };
  }

  async partsOf({ children, ...reading }: PartsQuestion): Promise<PartsFact> {
    const parts = new Set<Digest>();
    const endMs = this.#ports.clock.nowMs() + reading.withinMs;
    const stop = await forEachBounded(children, concurrency, async (digest, add) => {
      if (parts.has(digest)) return undefined;
      parts.add(digest);
      const withinMs = Math.max(endMs - this.#ports.clock.nowMs(), 0);
      const fact = await this.#ports.manifests.read({ ...reading, withinMs }, digest);
      if (fact.state === 'unknown') return fact;
      if (fact.state === 'absent') return undefined;
      for (const blob of fact.needs.blobs) parts.add(blob);
      fact.needs.children.forEach(add);
      return undefined;
    });
    return stop ?? { state: 'known', parts: [...parts] };
  }

  async textOf({ digest, ...reading }: TextQuestion): Promise<TextFact> {
    const fact = await this.#ports.reads.readBytes(reading, digest);
    return fact.state === 'present' ? { state: 'known', text: fact.bytes.toString() } : fact;
  }

  pushed(sha256: Digest, needs: ManifestNeeds): void {
    this.#ports.manifests.learn(sha256, { sha256, needs });
  }

  async #walkTags(question: NeedQuestion): Promise<Survey | Unknown> {
    const survey = new Survey(this.#ports, question);
    return (await survey.walkTags(question.rules)) ?? survey;
  }
}

/**
 * Who is shown the same: whom we verified, or who shows the same credentials, which the upstream judges. What a token
 * adds to the rules makes other tags protected.
 */
function keyOf({ repository, rules, asCaller, isVerified }: NeedQuestion): string {
  const who = isVerified ? 'verified' : headerValues(asCaller, 'authorization').join();
  const added = (rules.tokenRules ?? []).map(contentOf);
  return JSON.stringify([repository, rules.version, who, added]);
}
