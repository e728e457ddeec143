import type { Operation } from './operation.ts';

/** What a token may grant, and what an operation needs (distribution, spec/auth/scope). */
export interface Access {
  /** `repository`, `registry`. */
  readonly type: string;
  readonly name: string;
  /** `pull`, `push`, `delete`, `*`. */
  readonly actions: readonly string[];
}

const catalog: Access = { type: 'registry', name: 'catalog', actions: ['*'] };

function inRepository(name: string, ...actions: readonly string[]): Access {
  return { type: 'repository', name, actions };
}

/**
 * What a caller must have been granted for an operation: method and route → access, all of it on this page.
 * undefined: nobody can say, for it is an extension of the registry's own.
 */
export function requiredAccess(operation: Operation): readonly Access[] | undefined {
  switch (operation.kind) {
    case 'ping':
      return [];
    case 'catalog':
      return [catalog];
    case 'listTags':
    case 'getManifest':
    case 'getBlob':
    case 'listReferrers':
      return [inRepository(operation.repository, 'pull')];
    case 'startUpload':
    case 'upload':
    case 'putManifest':
      // A mount needs pull on `from` too, but without it becomes an ordinary upload (http/authorize.ts).
      return [inRepository(operation.repository, 'pull', 'push')];
    case 'deleteTag':
    case 'deleteManifest':
    case 'deleteBlob':
      return [inRepository(operation.repository, 'delete')];
    case 'otherRead':
      return undefined;
  }
}

/** Whether what was granted holds all that is required; `*` is every action. */
export function covers(granted: readonly Access[], required: readonly Access[]): boolean {
  return required.every(({ type, name, actions }) => {
    const held = actionsOn(granted, type, name);
    return held.has('*') || actions.every((action) => held.has(action));
  });
}

/** Every action that several entries for one resource grant together: two scopes give two entries. */
export function actionsOn(granted: readonly Access[], type: string, name: string): ReadonlySet<string> {
  const entries = granted.filter((access) => access.type === type && access.name === name);
  return new Set(entries.flatMap((access) => access.actions));
}

const scopeGrammar = /^([a-z0-9]+)(?:\([a-z0-9]+\))?:(.+):([a-z*]+(?:,[a-z*]+)*)$/;

/**
 * Reads scopes as clients send them: in several parameters, several in one, with a host and port in a name and with a
 * class, which is ignored (`repository(plugin):host:5000/a/b:pull,push`). What is no scope is left out: to ask for
 * it is no error (spec/auth/token).
 */
export function parseScopes(parameters: readonly string[]): readonly Access[] {
  return parameters
    .flatMap((parameter) => parameter.split(' '))
    .map((scope) => scopeGrammar.exec(scope))
    .filter((match) => match !== null)
    .map(([, type = '', name = '', actions = '']) => ({
      type,
      name,
      actions: [...new Set(actions.split(','))],
    }));
}

/** Sorted, so that the same access is always the same text. */
export function formatScopes(accesses: readonly Access[]): string {
  return accesses
    .map(({ type, name, actions }) => `${type}:${name}:${[...actions].sort().join(',')}`)
    .sort()
    .join(' ');
}
