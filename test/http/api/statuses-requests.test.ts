import t from 'tap';
import {
  askAll,
  repositoryRules,
  shownImmutableRule,
  shownRepositoryRule,
  shownTagRule,
  tagRules,
} from '../../fixtures/api-cases.ts';
import { startManagementApi } from '../../fixtures/management-api.ts';

t.test('lists', (t) =>
  askAll(t, [
    { says: 'repository rules', path: repositoryRules, status: 200, answers: [shownRepositoryRule] },
    {
      says: 'tag rules, with those that are immutable',
      ...{ path: tagRules, status: 200, answers: [shownTagRule, shownImmutableRule] },
    },
    { says: 'none', path: tagRules.replace('flightjs', 'other'), status: 200, answers: [] },
    {
      says: 'in capitals',
      ...{
        path: repositoryRules.replace('flightjs', 'FlightJS'),
        status: 200,
        answers: [shownRepositoryRule],
      },
    },
    {
      says: 'by number',
      path: repositoryRules.replace('flightjs', '1'),
      status: 200,
      answers: [shownRepositoryRule],
    },
  ]),
);

t.test('what is asked wrongly', (t) =>
  askAll(t, [
    {
      says: 'DELETE of no rule',
      method: 'DELETE',
      path: `${tagRules}/1`,
      status: 404,
      answers: { message: '404 Not found' },
    },
    {
      says: 'DELETE of no number',
      ...{
        method: 'DELETE',
        path: `${tagRules}/x`,
        status: 400,
        answers: { error: 'protection_rule_id is invalid' },
      },
    },
    ...['0', '2', '99999999999999999999', '01'].map((number) => ({
      says: `project ${number}`,
      ...{
        path: tagRules.replace('flightjs', number),
        status: 404,
        answers: { message: '404 Project Not Found' },
      },
    })),
    ...['fl!ght', '-', 'a%2F%2Fb', '%2E%2E', 'a%252Fb', 'x'.repeat(256), '%00'].map((project) => ({
      says: `project ${project.slice(0, 20)}`,
      ...{
        path: tagRules.replace('flightjs', project),
        status: 404,
        answers: { message: '404 Project Not Found' },
      },
    })),
    { says: 'an unknown route', path: '/api/v4/user', status: 404, answers: { error: '404 Not Found' } },
    { says: 'none at all', path: '/api', status: 404, answers: { error: '404 Not Found' } },
    { says: 'a single rule', path: `${tagRules}/2`, status: 405, answers: { error: '405 Not Allowed' } },
    {
      says: 'PUT',
      method: 'PUT',
      path: `${tagRules}/2`,
      json: {},
      status: 405,
      answers: { error: '405 Not Allowed' },
    },
    {
      says: 'DELETE of all',
      method: 'DELETE',
      path: tagRules,
      status: 405,
      answers: { error: '405 Not Allowed' },
    },
    { says: 'a broken path', path: `${tagRules}/%zz`, status: 400, answers: { error: '400 Bad Request' } },
    {
      says: 'broken JSON',
      ...{ method: 'POST', path: tagRules, headers: ['Content-Type', 'application/json'], body: '{"tag' },
      ...{ status: 400, answers: { error: 'message body does not match declared format' } },
    },
    {
      says: 'JSON that would poison',
      ...{ method: 'POST', path: tagRules, headers: ['Content-Type', 'application/json'] },
      ...{ body: '{"tag_name_pattern":"x","__proto__":{"immutable":true}}', status: 400 },
    },
    ...['[]', '"x"', '5'].map((body) => ({
      says: `a body that is ${body}`,
      ...{ method: 'POST', path: tagRules, headers: ['Content-Type', 'application/json'], body },
      ...{ status: 400, answers: { error: 'body is invalid' } },
    })),
    ...['', 'null'].map((body) => ({
      says: `a body that is "${body}"`,
      ...{ method: 'POST', path: tagRules, headers: ['Content-Type', 'application/json'], body },
      ...{ status: 400, answers: { error: 'tag_name_pattern is missing' } },
    })),
    {
      says: 'no body',
      ...{ method: 'POST', path: tagRules, status: 400, answers: { error: 'tag_name_pattern is missing' } },
    },
    {
      says: 'another media type',
      ...{
        method: 'POST',
        path: tagRules,
        headers: ['Content-Type', 'text/plain'],
        body: 'tag_name_pattern=x',
      },
      ...{ status: 415, answers: { error: "The provided content-type 'text/plain' is not supported." } },
    },
    {
      says: 'a body that is too large',
      ...{ method: 'POST', path: tagRules, json: { tag_name_pattern: 'x'.repeat(64 * 1024) } },
      ...{ status: 413, answers: { error: '413 Request Entity Too Large' } },
    },
  ]),
);

t.test('a method that is not served is told of with those that are', async (t) => {
  const api = await startManagementApi(t);
  const list = await api.ask({ method: 'PATCH', path: tagRules });
  t.equal(list.headers.allow, 'GET, HEAD, POST');
  const single = await api.ask({ path: `${repositoryRules}/1` });
  t.equal(single.headers.allow, 'PATCH, DELETE');
});
