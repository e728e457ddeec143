import t from 'tap';
import { askAll, maintainers, patches, posts, tagRules } from '../../fixtures/api-cases.ts';

const bothOrNone = 'Access levels should either both be present or both be nil';

t.test('a new tag rule that is refused', (t) =>
  askAll(t, [
    ...posts(tagRules, 400, { error: 'tag_name_pattern is missing' }, [['no pattern', maintainers]]),
    ...posts(tagRules, 400, { error: 'minimum_access_level_for_push does not have a valid value' }, [
      [
        'a level that is none',
        { tag_name_pattern: 'x', ...maintainers, minimum_access_level_for_push: 'invalid_role' },
      ],
    ]),
    ...posts(tagRules, 400, { error: 'minimum_access_level_for_delete does not have a valid value' }, [
      [
        'for delete',
        { tag_name_pattern: 'x', ...maintainers, minimum_access_level_for_delete: 'invalid_role' },
      ],
    ]),
    ...posts(tagRules, 400, { error: 'immutable is invalid' }, [
      ['immutable is no truth', { tag_name_pattern: 'x', immutable: 'yes' }],
    ]),
    ...posts(tagRules, 422, { message: ['Tag name pattern has already been taken'] }, [
      ['a pattern that is taken', { tag_name_pattern: 'v*-release', ...maintainers }],
      ['a pattern of an immutable rule', { tag_name_pattern: '^v' }],
    ]),
    ...posts(tagRules, 422, { message: [bothOrNone] }, [
      ['push alone', { tag_name_pattern: 'x', minimum_access_level_for_push: 'owner' }],
      ['delete alone', { tag_name_pattern: 'x', minimum_access_level_for_delete: 'owner' }],
      ['neither, and not immutable', { tag_name_pattern: 'x', immutable: false }],
    ]),
    ...posts(tagRules, 422, { message: ['An immutable rule is for everyone, and has no access levels'] }, [
      ['immutable, with levels', { tag_name_pattern: 'x', ...maintainers, immutable: true }],
    ]),
    ...posts(tagRules, 422, { message: ["Tag name pattern can't be blank"] }, [
      ['an empty pattern', { tag_name_pattern: '', ...maintainers }],
    ]),
    ...posts(tagRules, 422, { message: ['Tag name pattern is too long (maximum is 100 characters)'] }, [
      ['a pattern that is too long', { tag_name_pattern: 'x'.repeat(101), ...maintainers }],
    ]),
    ...posts(tagRules, 422, { message: ['Tag name pattern not valid RE2 syntax: missing closing ]: [v'] }, [
      ['a pattern that is none', { tag_name_pattern: '[v', ...maintainers }],
    ]),
  ]),
);

t.test('a tag rule whose change is refused', (t) =>
  askAll(t, [
    ...patches(`${tagRules}/2`, 422, { message: { error: [bothOrNone] } }, [
      ['push unset', { minimum_access_level_for_push: '' }],
      ['delete unset', { minimum_access_level_for_delete: '' }],
    ]),
    ...patches(`${tagRules}/3`, 422, { message: { error: [bothOrNone] } }, [
      ['one level for an immutable rule', { minimum_access_level_for_push: 'owner' }],
      ['none, and not immutable', { immutable: false }],
    ]),
    ...patches(`${tagRules}/2`, 422, { message: { error: ["Tag name pattern can't be blank"] } }, [
      ['an empty pattern', { tag_name_pattern: '' }],
    ]),
    ...patches(`${tagRules}/2`, 400, { error: 'minimum_access_level_for_push does not have a valid value' }, [
      ['a level that is none', { minimum_access_level_for_push: 'invalid' }],
    ]),
    ...patches(`${tagRules}/1`, 404, { message: '404 Not found' }, [['a rule of the other kind', {}]]),
    ...patches(`${tagRules}/7`, 404, { message: '404 Not found' }, [['no such rule', {}]]),
  ]),
);
