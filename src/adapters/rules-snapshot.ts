import { createHash } from 'node:crypto';
import { isAccessLevel, type AccessLevel, type MinimumAccessLevel } from '../core/access-level.ts';
import { withoutManaged } from '../core/managed-rules.ts';
import {
  checkedTagPattern,
  compileRepositoryPattern,
  compileSelection,
  compileTagPattern,
  compileWithin,
  tagPatternLanguage,
  type Pattern,
} from '../core/pattern.ts';
import {
  referrersTreatments,
  type ImmutableTagRule,
  type ManagedRegistry,
  type Member,
  type ProtectedTagRule,
  type ReferrersTreatment,
  type RepositoryRule,
  type RuleSet,
  type TagRule,
} from '../core/rule.ts';
import { SnapshotRefused, Spec } from './spec.ts';

/** Goes up when a snapshot may hold what the versions before cannot read. */
const format = 3;
/** The ones before say less, in the same words. */
const readableFormats = new Set([1, 2, format]);

/**
 * What rules say, as JSON. Patterns go as their sources.
 * @param timeOf from when an immutable rule admits first pushes, on the clock of whoever keeps the snapshot; undefined
 *   for a rule that is new with it, whose time is told beside the snapshot
 */
export function writeSnapshot(
  { repositoryRules, tagRules, members, registry }: RuleSet,
  timeOf: (rule: ImmutableTagRule) => number | undefined,
): string {
  return JSON.stringify({
    format,
    tagPatternLanguage,
    repositoryRules: repositoryRules.map(specOf),
    tagRules: tagRules.map((rule) =>
      specOf(rule.kind === 'immutable' ? { ...rule, admitsFirstPushFromMs: timeOf(rule) } : rule),
    ),
    members: members.map(specOf),
    ...(registry && { registry }),
  });
}

/**
 * All that a rule has, by name and in one order: what is not known to a reader it refuses, but what is not written here
 * nobody would miss.
 */
function specOf(rule: object): object {
  const entries = Object.entries(rule as Record<string, unknown>).map(
    ([name, value]) => [name, isPattern(value) ? value.source : value] as const,
  );
  return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
}

function isPattern(value: unknown): value is Pattern {
  return typeof value === 'object' && value !== null && 'source' in value;
}

const fingerprints = new WeakMap<RuleSet, string>();

/** Of two files that say the same it is the same, whatever their versions, their times, and what is managed beside them. */
export function fingerprintOf(rules: RuleSet): string {
  const known = fingerprints.get(rules);
  if (known !== undefined) return known;
  const words = writeSnapshot(withoutManaged(rules), () => undefined);
  const fingerprint = createHash('sha256').update(words).digest('hex');
  fingerprints.set(rules, fingerprint);
  return fingerprint;
}

/**
 * All of a snapshot or nothing: what is not understood may be what protects a tag.
 * @param timeOf the inverse of that of `writeSnapshot`
 * @throws SnapshotRefused
 */
export function readSnapshot(
  text: string,
  timeOf: (toldMs: number | undefined) => number,
): Omit<RuleSet, 'version'> {
  const root = new Spec(parseJson(text), 'snapshot', rootNames);
  if (!readableFormats.has(root.number('format')))
    throw new SnapshotRefused('its format is of another version');
  // Whoever wrote it compiled the patterns; only another language may take them for something else.
  const isOurLanguage = root.text('tagPatternLanguage') === tagPatternLanguage;
  const readers: Readers = { tagPattern: isOurLanguage ? checkedTagPattern : compileTagPattern, timeOf };
  const ids = new Set<string>();
  const registry = root.objectIfGiven('registry', registryNames);
  const read = {
    repositoryRules: root.list('repositoryRules', repositoryRuleNames).map(readRepositoryRule),
    tagRules: root.list('tagRules', tagRuleNames).map((spec) => readTagRule(spec, readers)),
    members: root.list('members', memberNames).map(readMember),
    ...(registry && { registry: readRegistry(registry) }),
  };
  for (const { id } of [...read.repositoryRules, ...read.tagRules]) {
    if (ids.has(id)) throw new SnapshotRefused(`two rules have the id ${JSON.stringify(id)}`);
    ids.add(id);
  }
  return read;
}

interface Readers {
  readonly tagPattern: (source: string) => Pattern;
  readonly timeOf: (toldMs: number | undefined) => number;
}

const rootNames = new Set([
  ...['format', 'tagPatternLanguage', 'repositoryRules', 'tagRules', 'members'],
  'registry',
]);
const registryNames = new Set(['projects', 'nextNumber']);
const projectNames = new Set(['number', 'path']);
const managedNames = new Set(['number', 'project']);
const rulingNames = ['id', 'enforcement', 'managed'] as const;
const levelNames = ['minimumAccessLevelForPush', 'minimumAccessLevelForDelete'] as const;
const immutableNames = ['admitsFirstPushFromMs', 'immutableAfterMs', 'tombstone'] as const;
const createName = 'minimumAccessLevelForCreate';
const repositoryRuleNames = new Set([...rulingNames, 'repositories', ...levelNames]);
const tagRuleNames = new Set([
  ...[...rulingNames, 'kind', 'repositories', 'tags', 'excludedTags', 'referrers', ...immutableNames],
  ...[...levelNames, createName],
]);
const memberNames = new Set(['subject', 'group', 'repositories', 'accessLevel']);

function readRepositoryRule(spec: Spec): RepositoryRule {
  const ruling = readRuling(spec);
  const repositories = spec.parse('repositories', (source) =>
    ruling.managed ? compileWithin(ruling.managed.project, source) : compileRepositoryPattern(source),
  );
  return { ...ruling, repositories, ...readLevels(spec) };
}

function readTagRule(spec: Spec, { tagPattern, timeOf }: Readers): TagRule {
  const repositories = spec.parseIfGiven('repositories', compileSelection);
  const excludedTags = spec.parseIfGiven('excludedTags', tagPattern);
  const referrers = spec.parseIfGiven('referrers', referrersTreatment);
  const selection = {
    ...readRuling(spec),
    ...(repositories && { repositories }),
    tags: spec.parse('tags', tagPattern),
    ...(excludedTags && { excludedTags }),
    ...(referrers && { referrers }),
  };
  const kind = spec.text('kind');
  if (kind === 'protected' && !immutableNames.some((name) => spec.has(name)))
    return { kind, ...selection, ...readLevels(spec), ...readCreateLevel(spec) };
  if (kind !== 'immutable' || [...levelNames, createName].some((name) => spec.has(name)))
    throw spec.refused('kind');
  const toldMs = spec.has('admitsFirstPushFromMs') ? spec.number('admitsFirstPushFromMs') : undefined;
  const tombstone = spec.has('tombstone') && spec.true('tombstone');
  const afterMs = spec.has('immutableAfterMs') ? spec.number('immutableAfterMs') : undefined;
  return {
    ...{ kind, ...selection, admitsFirstPushFromMs: timeOf(toldMs) },
    ...(afterMs !== undefined && { immutableAfterMs: afterMs }),
    ...(tombstone && { tombstone }),
  };
}

function readRuling(spec: Spec): Pick<TagRule, (typeof rulingNames)[number]> {
  const enforcement = spec.parseIfGiven('enforcement', onlyWarn);
  const managed = spec.objectIfGiven('managed', managedNames);
  return {
    id: spec.text('id'),
    ...(enforcement && { enforcement }),
    ...(managed && { managed: { number: managed.number('number'), project: managed.text('project') } }),
  };
}

function readRegistry(spec: Spec): ManagedRegistry {
  const projects = spec.list('projects', projectNames);
  return {
    projects: projects.map((project) => ({ number: project.number('number'), path: project.text('path') })),
    nextNumber: spec.number('nextNumber'),
  };
}

function readMember(spec: Spec): Member {
  const who = spec.has('subject') ? { subject: spec.text('subject') } : { group: spec.text('group') };
  if (spec.has('subject') && spec.has('group')) throw spec.refused('group');
  const repositories = spec.parse('repositories', compileRepositoryPattern);
  return { ...who, repositories, accessLevel: spec.parse('accessLevel', accessLevel) };
}

type Levels = Pick<RepositoryRule, (typeof levelNames)[number]>;

function readLevels(spec: Spec): Levels {
  if (!levelNames.some((name) => spec.has(name))) throw spec.refused(levelNames[0]);
  const push = spec.parseIfGiven('minimumAccessLevelForPush', minimumAccessLevel);
  const deletion = spec.parseIfGiven('minimumAccessLevelForDelete', minimumAccessLevel);
  return {
    ...(push && { minimumAccessLevelForPush: push }),
    ...(deletion && { minimumAccessLevelForDelete: deletion }),
  };
}

function readCreateLevel(spec: Spec): Pick<ProtectedTagRule, typeof createName> {
  const create = spec.parseIfGiven(createName, minimumAccessLevel);
  return create ? { minimumAccessLevelForCreate: create } : {};
}

function accessLevel(text: string): AccessLevel {
  if (isAccessLevel(text)) return text;
  throw new SnapshotRefused('unknown');
}

function referrersTreatment(text: string): ReferrersTreatment {
  const treatment = referrersTreatments.find((known) => known === text);
  if (treatment !== undefined) return treatment;
  throw new SnapshotRefused('unknown');
}

function onlyWarn(text: string): 'warn' {
  if (text === 'warn') return text;
  throw new SnapshotRefused('unknown');
}

function minimumAccessLevel(text: string): MinimumAccessLevel {
  return text === 'no_access' ? text : accessLevel(text);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SnapshotRefused('it is no JSON', { cause: error });
  }
}
