import t from 'tap';
import { importRules, type ImportOptions } from '../../../src/config/import/import-rules.ts';

const flightjs: ImportOptions = { projects: new Map([[undefined, 'flightjs']]) };

function written(document: unknown, options = flightjs): string {
  const outcome = importRules(JSON.stringify(document), options);
  if ('errors' in outcome) throw new Error(outcome.errors.join('\n'));
  return outcome.text;
}

function errorsOf(document: unknown, options = flightjs): string {
  const outcome = importRules(JSON.stringify(document), options);
  return 'errors' in outcome ? outcome.errors.join('\n') : `none: ${outcome.text}`;
}

t.test('GitLab, both vocabularies', (t) => {
  const rule = { id: 1, project_id: 7, repository_path_pattern: 'flightjs/app-*' };
  t.equal(
    written([
      { ...rule, minimum_access_level_for_push: 'maintainer', minimum_access_level_for_delete: null },
    ]),
    `repository_rules:
  # GitLab's repository rule 1
  - id: gitlab-repository-rule-1
    repository_path_pattern: flightjs/app-*
    minimum_access_level_for_push: maintainer
`,
  );
  const tags = { id: 2, project_id: 7, tag_name_pattern: '^v\\d' };
  const levels = { minimum_access_level_for_push: null, minimum_access_level_for_delete: null };
  t.equal(
    written({ repository: [], tag: [{ ...tags, ...levels, immutable: true }] }),
    `tag_rules:
  # GitLab's tag rule 2
  - id: gitlab-tag-rule-2
    repository_path_pattern: flightjs
    tag_name_pattern: ^v\\d
    immutable: true
  # GitLab's tag rule 2
  - id: gitlab-tag-rule-2-2
    repository_path_pattern: flightjs/*
    tag_name_pattern: ^v\\d
    immutable: true
`,
  );
  const older = { id: 3, container_path: 'flightjs/flight' };
  for (const [upTo, minimum] of [
    ['developer', 'maintainer'],
    ['maintainer', 'owner'],
    ['owner', 'admin'],
    ['NO_ACCESS', 'no_access'],
  ]) {
    const text = written([{ ...older, push_protected_up_to_access_level: upTo }]);
    t.match(text, `minimum_access_level_for_push: ${minimum ?? ''}\n`);
  }
  const versions = {
    ...older,
    matching_package_version: 'v1.*',
    delete_protected_up_to_access_level: 'DEVELOPER',
  };
  t.match(
    written([versions]),
    'tag_name_pattern: ^v1\\..*$\n    minimum_access_level_for_delete: maintainer\n',
  );
  t.end();
});

t.test('what cannot be said is told, all of it, and nothing is written', (t) => {
  const push = { minimum_access_level_for_push: 'owner' };
  const selector = (decoration: string, pattern: string) => [{ kind: 'doublestar', decoration, pattern }];
  const harbor = (repository: object[], tag: object[]) => [
    { id: 1, tag_selectors: tag, scope_selectors: { repository } },
  ];
  const all = selector('matches', '**');
  const ecr = (filter: object) => ({
    repositories: [
      {
        repositoryName: 'a',
        imageTagMutability: 'IMMUTABLE_WITH_EXCLUSION',
        imageTagMutabilityExclusionFilters: [filter],
      },
    ],
  });
  const noProject: ImportOptions = { projects: new Map() };
  const cases: readonly (readonly [unknown, RegExp, ImportOptions?])[] = [
    [
      [{ id: 1, project_id: 7, repository_path_pattern: 'a/b', ...push }],
      /GitLab's repository rule 1: is for one project.*--project 7=PATH/,
      noProject,
    ],
    [[{ id: 1, repository_path_pattern: 'flightjs-x/*', ...push }], /matches no repository of flightjs/],
    [
      [{ id: 1, repository_path_pattern: 'flightjs/a', minimum_access_level_for_push: 'king' }],
      /level king is not known/,
    ],
    [[{ id: 1, tag_name_pattern: 'v', ...push }], /one level of two/],
    [
      [{ id: 1, tag_name_pattern: '(', minimum_access_level_for_push: null }],
      /what it would become: .*not a pattern/,
    ],
    [
      [
        {
          id: 1,
          container_path: 'flightjs/a',
          matching_package_version: '^v',
          push_protected_up_to_access_level: 'owner',
        },
      ],
      /matching_package_version \^v/,
    ],
    [harbor(selector('repoMatches', 'lib*'), all), /lib\* stands for one component/],
    [harbor(selector('repoExcludes', '**'), all), /leaves repositories out/],
    [
      harbor([...selector('repoMatches', '**'), ...selector('repoMatches', 'a')], all),
      /several repository selectors/,
    ],
    [harbor(selector('repoMatches', '**'), selector('matches', 'v/1')), /has "\/", which is in no tag/],
    [harbor(selector('repoMatches', '**'), selector('matches', '{a')), /"\{" without "\}"/],
    [harbor(selector('repoMatches', '**'), all), /--project NAME/, noProject],
    [ecr({ filterType: 'REGEX', filter: 'a' }), /no WILDCARD/],
    [ecr({ filterType: 'WILDCARD', filter: 'a?' }), /"\?", which is in no tag/],
    [{ x: 1 }, /give --from/],
  ];
  for (const [document, expected, options] of cases) t.match(errorsOf(document, options), expected);
  const two = errorsOf([
    { id: 1, repository_path_pattern: 'flightjs-x/*', ...push },
    { id: 2, repository_path_pattern: 'flightjs/a', ...push },
    { id: 3, tag_name_pattern: 'v', ...push },
  ]);
  t.equal(two.split('\n').length, 2, 'every error, and no rule');
  t.match(importRules('{', flightjs), { errors: ['is no JSON'] });
  t.end();
});

t.test('notes: what is left out, and what differs', (t) => {
  const disabled = [{ id: 1, disabled: true, tag_selectors: [], scope_selectors: {} }];
  t.equal(written(disabled), "# Harbor's rule 1: is disabled, and left out\ntag_rules: []\n");
  const mutable = { repositories: [{ repositoryName: 'a/b', imageTagMutability: 'IMMUTABLE' }] };
  t.match(written(mutable), /^# ECR's repository a\/b: ECR lets an immutable tag be deleted/);
  const templates = { repositoryCreationTemplates: [{ prefix: 'ROOT', imageTagMutability: 'IMMUTABLE' }] };
  t.notMatch(written(templates, { ...flightjs, from: 'ecr' }), 'repository_path_pattern');
  t.end();
});
