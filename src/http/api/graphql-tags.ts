import { highestLevel } from '../../core/managed-input.ts';
import type { RuleSource } from '../../core/ports.ts';
import type { Repository, Tag } from '../../core/reference.ts';
import { isReferrerTag } from '../../core/referrer-tag.ts';
import { tagRulesFor, type ProtectedTagRule, type RuleSet } from '../../core/rule.ts';
import type { Turns } from '../turns.ts';
import { GraphqlRefusal } from './graphql-failures.ts';
import { globalId } from './graphql-ids.ts';
import { connectionOf, type Connection, type PageArguments } from './graphql-pages.ts';
import type { LiveTags } from './ports.ts';

export interface TagPorts {
  readonly rules: RuleSource;
  readonly tags: LiveTags;
  /** So that one query does not take all of the registry's attention. */
  readonly turns: Turns;
}

interface TagArguments extends PageArguments {
  readonly name?: string | null;
}

interface Protection {
  readonly minimumAccessLevelForPush: string | null;
  readonly minimumAccessLevelForDelete: string | null;
  readonly immutable: boolean;
}

/** Why a tag of a repository could not be looked up: the others are not asked for then, one patience after the other. */
interface Outage {
  reason?: string;
}

const anyRepository = '';

/** `ContainerRepository`. */
export class RepositoryNode {
  readonly id: string;
  readonly name: string;
  readonly path: Repository;
  readonly #ports: TagPorts;
  readonly #outage: Outage = {};
  #listed: Promise<readonly Tag[]> | undefined;

  constructor(path: Repository, ports: TagPorts) {
    this.id = globalId('ContainerRepository', path);
    this.name = path.slice(path.lastIndexOf('/') + 1);
    this.path = path;
    this.#ports = ports;
  }

  async tags({ name, ...page }: TagArguments): Promise<Connection<TagNode>> {
    this.#listed ??= this.#list();
    const named = (await this.#listed).filter((tag) => tag.includes(name ?? ''));
    return connectionOf(
      named,
      (tag) => tag,
      page,
      (tag) => new TagNode(this.path, tag, this.#outage, this.#ports),
    );
  }

  async #list(): Promise<readonly Tag[]> {
    const { tags, turns } = this.#ports;
    const listed = await turns.inTurn(anyRepository, () => tags.list(this.path));
    if (listed.state === 'known') return listed.tags;
    throw new GraphqlRefusal(`The tags cannot be listed: ${listed.reason}`);
  }
}

/** `ContainerRepositoryTag`: nothing is found out twice, by whatever alias it is asked for. */
class TagNode {
  readonly name: Tag;
  readonly #repository: Repository;
  readonly #outage: Outage;
  readonly #ports: TagPorts;
  #digest: Promise<string | null> | undefined;
  #protection: Protection | null | undefined;

  constructor(repository: Repository, name: Tag, outage: Outage, ports: TagPorts) {
    this.name = name;
    this.#repository = repository;
    this.#outage = outage;
    this.#ports = ports;
  }

  digest(): Promise<string | null> {
    return (this.#digest ??= this.#askDigest());
  }

  protection(): Protection | null {
    const { rules } = this.#ports;
    const doubt = rules.doubt();
    if (doubt !== undefined) throw new GraphqlRefusal(`The rules in force are not known: ${doubt}`);
    if (this.#protection === undefined)
      this.#protection = protectionOf(rules.current(), this.#repository, this.name);
    return this.#protection;
  }

  async #askDigest(): Promise<string | null> {
    const { tags, turns } = this.#ports;
    const outage = this.#outage;
    return turns.inTurn(anyRepository, async () => {
      if (outage.reason !== undefined) throw new GraphqlRefusal(`Not looked up: ${outage.reason}`);
      const fact = await tags.lookUp(this.#repository, this.name);
      if (fact.state === 'present') return fact.digest;
      if (fact.state === 'absent') return null;
      outage.reason = fact.reason;
      throw new GraphqlRefusal(`The tag cannot be looked up: ${fact.reason}`);
    });
  }
}

/** As GitLab tells it: of an immutable tag no level, for none would do. */
function protectionOf(rules: RuleSet, repository: Repository, tag: Tag): Protection | null {
  const covering = tagRulesFor(rules, repository, tag);
  const protecting = covering.filter((rule): rule is ProtectedTagRule => rule.kind === 'protected');
  // One that may grow still cannot be moved or deleted.
  const immutable = covering.some(
    (rule) => rule.kind === 'immutable' && !(isReferrerTag(tag) && rule.referrers === 'mutable'),
  );
  if (!immutable && protecting.length === 0) return null;
  const levels = immutable ? [] : protecting;
  const push = levels.map((rule) => rule.minimumAccessLevelForPush ?? rule.minimumAccessLevelForCreate);
  return {
    minimumAccessLevelForPush: highestLevel(push)?.toUpperCase() ?? null,
    minimumAccessLevelForDelete:
      highestLevel(levels.map((rule) => rule.minimumAccessLevelForDelete))?.toUpperCase() ?? null,
    immutable,
  };
}
