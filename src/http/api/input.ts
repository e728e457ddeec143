import type { FastifyInstance, FastifySchemaCompiler } from 'fastify';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { ApiRefusal, unsupported } from './refusals.ts';

type Values = Readonly<Record<string, unknown>>;

/** JSON and forms, as GitLab's clients send either. */
export function readBodies(app: FastifyInstance): void {
  // The JSON reader of fastify refuses `__proto__`.
  const readJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body.length === 0) {
      done(null, {});
      return;
    }
    void readJson(request, String(body), (error, value) => {
      if (error) done(new ApiRefusal(400, { error: 'message body does not match declared format' }));
      else done(null, value);
    });
  });
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(String(body))));
  });
  // No body needs no type, also where it is announced as chunked.
  app.addContentTypeParser('*', { parseAs: 'string' }, ({ headers }, body, done) => {
    if (body.length === 0) done(null, {});
    else done(unsupported(headers['content-type']));
  });
}

/** Refuses what a schema does not allow, in the words of GitLab's framework (grape). */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const validator = Compile(schema);
  const properties = (schema as { properties?: Readonly<Record<string, TSchema>> }).properties ?? {};
  return (given: unknown) => {
    // A body that is absent has no fields, and one that is a list has none that are asked for.
    const isEmpty = httpPart === 'body' && (given === undefined || given === null);
    const value = isEmpty ? {} : typed(given, properties);
    if (validator.Check(value)) return { value };
    const words = validator.Errors(value).flatMap((error) => {
      if (error.keyword === 'required')
        return error.params.requiredProperties.map((name) => `${name} is missing`);
      const name = error.instancePath.split('/')[1];
      return name === undefined ? [] : [`${name} ${wrong((value as Values)[name], properties[name])}`];
    });
    const error = words.length > 0 ? [...new Set(words)].join(', ') : `${httpPart ?? 'body'} is invalid`;
    return { error: new ApiRefusal(400, { error }) };
  };
};

function wrong(value: unknown, schema: TSchema | undefined): string {
  const isOneOfSome = schema !== undefined && ('enum' in schema || 'anyOf' in schema);
  return isOneOfSome && typeof value !== 'object' ? 'does not have a valid value' : 'is invalid';
}

/** Forms, queries and paths hold texts alone. Nothing but a plain number is one: to `true`, TypeBox's own conversion gives 1. */
function typed(given: unknown, properties: Readonly<Record<string, TSchema>>): unknown {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return given;
  return Object.fromEntries(
    Object.entries(given).map(([name, value]: [string, unknown]) => {
      const { type } = (properties[name] ?? {}) as { type?: unknown };
      if (type === 'integer' && typeof value === 'string' && /^-?\d{1,15}$/.test(value))
        return [name, Number(value)];
      if (type === 'boolean' && (value === 'true' || value === 'false')) return [name, value === 'true'];
      return [name, value];
    }),
  );
}
