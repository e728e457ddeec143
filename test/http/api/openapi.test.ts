import t from 'tap';
import { startManagementApi } from '../../fixtures/management-api.ts';

interface Operation {
  readonly summary?: string;
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly parameters?: readonly {
    name: string;
    in: string;
    required?: boolean;
    schema?: { type?: string };
  }[];
  readonly requestBody?: { content: Record<string, { schema: { required?: string[]; properties: object } }> };
  readonly responses: Readonly<
    Record<string, { description: string; content?: Record<string, { schema: object }> }>
  >;
}

interface Document {
  readonly openapi: string;
  readonly info: { title: string; version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { securitySchemes: Readonly<Record<string, object>> };
}

t.test('the document names every route, what it takes and what it answers', async (t) => {
  const { ask, routes } = await startManagementApi(t);
  const { status, json, headers } = await ask({ path: '/api/openapi.json' });
  t.equal(status, 200);
  t.match(headers['content-type'], /^application\/json/);
  const document = json as Document;
  t.match(document, { openapi: /^3\.1\./, info: { title: 'Tagwarden', version: 'v4' } });
  const named = Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const served = routes
    .filter(({ schema }) => schema?.hide !== true)
    .flatMap(({ method, url }) => [method].flat().map((name) => `${name} ${url.replace(/:(\w+)/g, '{$1}')}`))
    .filter((route) => !route.startsWith('HEAD '));
  t.same(named.sort(), served.sort());
  const rules = (kind: string) => `/api/v4/projects/{id}/registry/protection/${kind}/rules`;
  const ofRules = ['repository', 'tag'].flatMap((kind) => [
    ...[`GET ${rules(kind)}`, `POST ${rules(kind)}`],
    ...[`PATCH ${rules(kind)}/{protection_rule_id}`, `DELETE ${rules(kind)}/{protection_rule_id}`],
  ]);
  t.same(
    ofRules.filter((route) => !named.includes(route)),
    [],
  );
  const schemes = Object.keys(document.components.securitySchemes);
  for (const [path, operations] of Object.entries(document.paths)) {
    const inTemplate = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const [method, operation] of Object.entries(operations)) {
      const says = `${method} ${path}`;
      t.ok(operation.summary, says);
      const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      t.same(inPath.map(({ name }) => name).sort(), inTemplate.sort(), `${says}: its parameters`);
      t.ok(
        inPath.every(({ required, schema }) => required === true && schema?.type !== undefined),
        says,
      );
      t.same(
        operation.security?.flatMap((needed) => Object.keys(needed)),
        schemes,
        `${says}: tokens`,
      );
      for (const [code, { description }] of Object.entries(operation.responses)) {
        t.match(code, /^[2-5]\d\d$/);
        t.type(description, 'string');
      }
      if (!path.includes('/registry/protection/')) continue;
      for (const code of ['401', '403', '404', '503']) t.ok(operation.responses[code], `${says}: ${code}`);
      const body = operation.requestBody?.content['application/json']?.schema;
      t.equal(body !== undefined, method === 'post' || method === 'patch', `${says}: a body`);
    }
  }
  const made = document.paths[rules('tag')]?.post;
  t.same(made?.requestBody?.content['application/json']?.schema.required, ['tag_name_pattern']);
  t.match(made?.responses['201']?.content?.['application/json']?.schema, {
    type: 'object',
    required: [
      ...['id', 'project_id', 'tag_name_pattern', 'minimum_access_level_for_push'],
      ...['minimum_access_level_for_delete', 'immutable', 'enforcement'],
    ],
  });
});
