import { accessLevels, isAccessLevel, rankOf, type MinimumAccessLevel } from '../core/access-level.ts';
import { managedIdGrammar } from '../core/managed-rules.ts';
import { compileRepositoryPattern, compileTagPattern, PatternError, type Pattern } from '../core/pattern.ts';
import {
  referrersTreatments,
  type ImmutableTagRule,
  type Member,
  type ProtectedTagRule,
  type RepositoryRule,
  type TagRule,
} from '../core/rule.ts';
import { Invalid } from './complaints.ts';
import type { Entry, Fields } from './entry.ts';
import { contentOf, type Nameless } from './rule-content.ts';

const memberLevels = Object.keys(accessLevels).filter(isAccessLevel);
const minimumLevels: readonly MinimumAccessLevel[] = [...memberLevels, 'no_access'];
const idGrammar = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export function readRepositoryRule(entry: Entry, ids: RuleIds): RepositoryRule | undefined {
  const fields = entry.fields(['id', 'repository_path_pattern', ...levelKeys, 'enforcement']);
  if (!fields) return undefined;
  const id = ids.given(entry, fields.get('id'));
  const repositories = required(entry, fields, 'repository_path_pattern')?.parse(repositoryPattern);
  const levels = readLevels(fields);
  const enforcement = readEnforcement(fields.get('enforcement'));
  if (!givesLevels(fields)) entry.complain(`restricts nothing; give ${levelKeys.join(' or ')}`);
  if (!repositories) return undefined;
  const rule = { repositories, ...levels, ...enforcement };
  return { id: id ?? ids.made(entry, rule), ...rule };
}

export function readTagRule(entry: Entry, ids: RuleIds): TagRule | undefined {
  const fields = entry.fields([
    'id',
    'repository_path_pattern',
    'tag_name_pattern',
    'tag_name_exclude_pattern',
    ...effectKeys,
    'enforcement',
  ]);
  if (!fields) return undefined;
  const id = ids.given(entry, fields.get('id'));
  const repositories = fields.get('repository_path_pattern')?.parse(repositoryPattern);
  const tags = required(entry, fields, 'tag_name_pattern')?.parse(tagPattern);
  const excludedTags = fields.get('tag_name_exclude_pattern')?.parse(tagPattern);
  const effect = readEffect(entry, fields);
  const enforcement = readEnforcement(fields.get('enforcement'));
  if (!tags) return undefined;
  const rule = {
    ...(repositories && { repositories }),
    tags,
    ...(excludedTags && { excludedTags }),
    ...effect,
    ...enforcement,
  };
  return { id: id ?? ids.made(entry, rule), ...rule };
}

export function readMember(entry: Entry): Member | undefined {
  const fields = entry.fields(['subject', 'group', 'repository_path_pattern', 'access_level']);
  if (!fields) return undefined;
  if (fields.has('subject') === fields.has('group')) entry.complain('needs either subject or group');
  const subject = fields.get('subject')?.parse(notEmpty);
  const group = fields.get('group')?.parse(notEmpty);
  const pattern = fields.get('repository_path_pattern');
  const repositories = pattern ? pattern.parse(repositoryPattern) : compileRepositoryPattern('*');
  const accessLevel = required(entry, fields, 'access_level')?.oneOf(memberLevels);
  if (!repositories || !accessLevel) return undefined;
  const who = subject === undefined ? group !== undefined && { group } : { subject };
  return { ...who, repositories, accessLevel };
}

/** The ids of one file: unique, for a refusal names the rule that it comes from. */
export class RuleIds {
  readonly #places = new Map<string, string>();

  given(rule: Entry, entry: Entry | undefined): string | undefined {
    const id = entry?.parse(checkId);
    if (id === undefined) return undefined;
    if (managedIdGrammar.test(id))
      entry?.complain(`"${id}" is an id of the rules that the management API makes; choose another`);
    const place = this.#places.get(id);
    if (place === undefined) this.#places.set(id, rule.place);
    else entry?.complain(`"${id}" is the id of ${place} already; choose another`);
    return id;
  }

  /** For a rule without one, made from its content. */
  made(rule: Entry, content: Nameless): string {
    const id = contentOf(content);
    const place = this.#places.get(id);
    if (place !== undefined) rule.complain(`says the same as ${place}; remove one of them`);
    this.#places.set(id, rule.place);
    return id;
  }
}

/** To write the default down says nothing. */
export function readEnforcement(entry: Entry | undefined): Pick<TagRule, 'enforcement'> {
  return entry?.oneOf(['deny', 'warn']) === 'warn' ? { enforcement: 'warn' } : {};
}

const levelKeys = ['minimum_access_level_for_push', 'minimum_access_level_for_delete'] as const;
type LevelKey = (typeof levelKeys)[number];
type Levels = Pick<RepositoryRule, 'minimumAccessLevelForPush' | 'minimumAccessLevelForDelete'>;

function givesLevels(fields: Fields<LevelKey>): boolean {
  return levelKeys.some((key) => fields.has(key));
}

function readLevels(fields: Fields<LevelKey>): Levels {
  const push = fields.get('minimum_access_level_for_push')?.oneOf(minimumLevels);
  const deletion = fields.get('minimum_access_level_for_delete')?.oneOf(minimumLevels);
  return {
    ...(push && { minimumAccessLevelForPush: push }),
    ...(deletion && { minimumAccessLevelForDelete: deletion }),
  };
}

const createKey = 'minimum_access_level_for_create';
const effectKeys = [
  ...levelKeys,
  createKey,
  'immutable',
  'immutable_after',
  'referrers',
  'tombstone',
] as const;
type EffectKey = (typeof effectKeys)[number];
type Referrers = Pick<TagRule, 'referrers'>;
type Effect = Omit<ProtectedTagRule, SelectionKey> | Omit<ImmutableTagRule, SelectionKey>;
type SelectionKey = 'id' | 'repositories' | 'tags' | 'excludedTags' | 'enforcement' | 'managed';

function readEffect(entry: Entry, fields: Fields<EffectKey>): Effect {
  const levels = readLevels(fields);
  const flag = fields.get('immutable');
  const immutable = flag?.boolean();
  const referrers = readReferrers(fields);
  const tombstone = fields.get('tombstone')?.boolean() === true;
  if (immutable === true) {
    if (givesLevels(fields))
      flag?.complain('is for everyone, so it takes no minimum levels; make two rules of it');
    fields.get(createKey)?.complain('is for rules with levels: an immutable tag may be created once anyway');
    const afterMs = readAfter(fields, tombstone);
    return {
      ...{ kind: 'immutable', admitsFirstPushFromMs: 0, ...referrers },
      ...(afterMs !== undefined && { immutableAfterMs: afterMs }),
      ...(tombstone && { tombstone }),
    };
  }
  fields.get('immutable_after')?.complain('is for rules with immutable: true; add that, or leave it out');
  if (!flag || immutable === false) refuseWhereMovable(fields, referrers, tombstone);
  if (!givesLevels(fields)) {
    if (!flag) entry.complain(`restricts nothing; give immutable: true, or ${levelKeys.join(' or ')}`);
    if (immutable === false)
      flag?.complain(`false restricts nothing; write true, or give ${levelKeys.join(' or ')}`);
  }
  return { kind: 'protected', ...levels, ...readCreateLevel(fields, levels), ...referrers };
}

/** Who may move a tag may make one: a level above that of a push would say something else. */
function readCreateLevel(
  fields: Fields<EffectKey>,
  { minimumAccessLevelForPush: push }: Levels,
): Pick<ProtectedTagRule, 'minimumAccessLevelForCreate'> {
  const field = fields.get(createKey);
  const create = field?.oneOf(minimumLevels);
  if (!field || !create) return {};
  if (!fields.has('minimum_access_level_for_push'))
    field.complain('needs minimum_access_level_for_push beside it, for those who may move a tag');
  else if (push && rankOf(create) > rankOf(push))
    field.complain(
      `must not be above minimum_access_level_for_push (${push}): who may move a tag may make one`,
    );
  return { minimumAccessLevelForCreate: create };
}

/** Milliseconds. */
function readAfter(fields: Fields<EffectKey>, tombstone: boolean): number | undefined {
  const field = fields.get('immutable_after');
  const afterMs = field?.parse(duration);
  if (field && tombstone)
    field.complain(
      'does not go with tombstone: true; a name that is kept from the first push on cannot move',
    );
  return afterMs;
}

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const longestMs = 365 * 86_400_000;

function duration(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,8})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (unitsMs[unit] ?? NaN);
  if (ms > 0 && ms <= longestMs) return ms;
  throw new Invalid('must be a time as 30s, 15m, 1h or 7d, of a year at most');
}

/** To write the default down says nothing. */
function readReferrers(fields: Fields<EffectKey>): Referrers {
  const referrers = fields.get('referrers')?.oneOf(referrersTreatments);
  return referrers === undefined || referrers === 'append_only' ? {} : { referrers };
}

/** A tag that may move promises nothing that could outlive it. */
function refuseWhereMovable(fields: Fields<EffectKey>, { referrers }: Referrers, tombstone: boolean): void {
  if (referrers === 'immutable')
    fields
      .get('referrers')
      ?.complain(
        'immutable is for rules with immutable: true; write append_only or mutable, or leave it out',
      );
  if (tombstone)
    fields.get('tombstone')?.complain('true is for rules with immutable: true; add that, or leave it out');
}

export function required<Name extends string>(
  entry: Entry,
  fields: Fields<Name>,
  name: Name,
): Entry | undefined {
  const field = fields.get(name);
  if (!field) entry.complain(`needs ${name}`);
  return field;
}

function repositoryPattern(source: string): Pattern {
  return compiled(compileRepositoryPattern, source);
}

function tagPattern(source: string): Pattern {
  return compiled(compileTagPattern, source);
}

function compiled(compile: (source: string) => Pattern, source: string): Pattern {
  try {
    return compile(source);
  } catch (error) {
    if (error instanceof PatternError) throw new Invalid(`not a pattern: ${error.message}`);
    throw error;
  }
}

function checkId(text: string): string {
  if (idGrammar.test(text)) return text;
  throw new Invalid(
    'an id has 1 to 63 letters, digits, ".", "_" or "-", and starts with a letter or a digit',
  );
}

function notEmpty(text: string): string {
  if (text.trim() !== '') return text;
  throw new Invalid('must not be empty');
}
