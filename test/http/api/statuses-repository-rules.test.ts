import t from 'tap';
import { askAll, maintainers, patches, posts, repositoryRules } from '../../fixtures/api-cases.ts';

const blank = "Repository path pattern can't be blank";
const invalid =
  'Repository path pattern should be a valid container repository path with optional wildcard characters.';
const elsewhere = "Repository path pattern should start with the project's full path";
const noLevel = 'A rule must have at least a minimum access role for push or delete.';

t.test('a new repository rule that is refused', (t) =>
  askAll(t, [
    ...posts(repositoryRules, 400, { error: 'repository_path_pattern is missing' }, [
      ['no pattern', maintainers],
      ['no pattern, and more that is not known', { ...maintainers, path: 'flightjs/x' }],
    ]),
    ...posts(repositoryRules, 400, { error: 'minimum_access_level_for_push does not have a valid value' }, [
      [
        'a level that is none',
        { repository_path_pattern: 'flightjs/x', minimum_access_level_for_push: 'invalid' },
      ],
      [
        'a level below',
        { repository_path_pattern: 'flightjs/x', minimum_access_level_for_push: 'developer' },
      ],
      ['a level as a number', { repository_path_pattern: 'flightjs/x', minimum_access_level_for_push: 40 }],
      ['an empty level', { repository_path_pattern: 'flightjs/x', minimum_access_level_for_push: '' }],
    ]),
    ...posts(repositoryRules, 400, { error: 'minimum_access_level_for_delete does not have a valid value' }, [
      [
        'the same for delete',
        { repository_path_pattern: 'flightjs/x', minimum_access_level_for_delete: 'guest' },
      ],
    ]),
    ...posts(
      repositoryRules,
      400,
      {
        error:
          'repository_path_pattern is missing, minimum_access_level_for_push does not have a valid value',
      },
      [['all that is wrong at once', { minimum_access_level_for_push: 'nobody' }]],
    ),
    ...posts(repositoryRules, 400, { error: 'repository_path_pattern is invalid' }, [
      ['a pattern that is no text', { repository_path_pattern: ['flightjs/x'], ...maintainers }],
      ['a pattern that is null', { repository_path_pattern: null, ...maintainers }],
    ]),
    ...posts(
      repositoryRules,
      400,
      {
        error:
          'minimum_access_level_for_push, minimum_access_level_for_delete are missing, at least one parameter must be provided',
      },
      [['no level', { repository_path_pattern: 'flightjs/x' }]],
    ),
    ...posts(repositoryRules, 422, { message: { error: [noLevel] } }, [
      [
        'levels that are null',
        { repository_path_pattern: 'flightjs/x', minimum_access_level_for_push: null, enforcement: 'warn' },
      ],
    ]),
    ...posts(
      repositoryRules,
      422,
      { message: { error: ['Repository path pattern has already been taken'] } },
      [['a pattern that is taken', { repository_path_pattern: 'flightjs/flight0', ...maintainers }]],
    ),
    ...posts(repositoryRules, 422, { message: { error: [blank, invalid, elsewhere] } }, [
      ['a pattern that is blank', { repository_path_pattern: '', ...maintainers }],
    ]),
    ...posts(repositoryRules, 422, { message: { error: [elsewhere] } }, [
      ['a pattern of another project', { repository_path_pattern: 'other/x', ...maintainers }],
      ['a pattern of all projects', { repository_path_pattern: '*', ...maintainers }],
    ]),
    ...posts(repositoryRules, 422, { message: { error: [invalid] } }, [
      [
        'a pattern that is no path',
        { repository_path_pattern: 'flightjs/path-invalid-chars-#@', ...maintainers },
      ],
    ]),
    ...posts(repositoryRules, 422, { message: { error: [invalid, elsewhere] } }, [
      ['both', { repository_path_pattern: 'prefix-flightjs-!', ...maintainers }],
    ]),
    ...posts(
      repositoryRules,
      422,
      { message: { error: ['Repository path pattern is too long (maximum is 255 characters)'] } },
      [
        [
          'a pattern that is too long',
          { repository_path_pattern: `flightjs/${'x'.repeat(247)}`, ...maintainers },
        ],
      ],
    ),
    ...posts(repositoryRules, 400, { error: 'enforcement does not have a valid value' }, [
      [
        'an enforcement that is none',
        { repository_path_pattern: 'flightjs/x', ...maintainers, enforcement: 'log' },
      ],
    ]),
  ]),
);

t.test('a repository rule whose change is refused', (t) =>
  askAll(t, [
    ...patches(
      `${repositoryRules}/1`,
      400,
      { error: 'minimum_access_level_for_push does not have a valid value' },
      [['a level that is none', { minimum_access_level_for_push: 'reporter' }]],
    ),
    ...patches(`${repositoryRules}/1`, 422, { message: { error: [noLevel] } }, [
      ['no level stays', { minimum_access_level_for_push: '', minimum_access_level_for_delete: '' }],
      ['as null', { minimum_access_level_for_push: null, minimum_access_level_for_delete: null }],
    ]),
    ...patches(`${repositoryRules}/1`, 422, { message: { error: [blank, invalid, elsewhere] } }, [
      ['an empty pattern', { repository_path_pattern: '' }],
      ['no pattern', { repository_path_pattern: null }],
    ]),
    ...patches(`${repositoryRules}/1`, 422, { message: { error: [elsewhere] } }, [
      ['a pattern of another project', { repository_path_pattern: 'flightj' }],
    ]),
    ...patches(`${repositoryRules}/9`, 404, { message: '404 Not found' }, [['no such rule', {}]]),
    ...patches(`${repositoryRules}/2`, 404, { message: '404 Not found' }, [['a rule of the other kind', {}]]),
    ...patches(`${repositoryRules}/-1`, 404, { message: '404 Not found' }, [['a number of nothing', {}]]),
    ...patches(`${repositoryRules}/invalid`, 400, { error: 'protection_rule_id is invalid' }, [
      ['no number', {}],
    ]),
    ...patches(`${repositoryRules}/true`, 400, { error: 'protection_rule_id is invalid' }, [
      ['true is not 1', {}],
    ]),
    ...patches(`${repositoryRules}/1.0`, 400, { error: 'protection_rule_id is invalid' }, [
      ['nor is 1.0', {}],
    ]),
  ]),
);
