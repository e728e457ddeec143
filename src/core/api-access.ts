import type { Repository } from './reference.ts';

export const apiRoles = ['read', 'write', 'unlock'] as const;
export type ApiRole = (typeof apiRoles)[number];

/** What a token of the management API may do, everywhere or in one project. */
export interface ApiGrant {
  readonly role: ApiRole;
  /** In lower case; absent: in every project. */
  readonly project?: string;
}

/** Who asks the management API. */
export interface ApiCaller {
  /** As the token is called, for the audit. */
  readonly name: string;
  readonly grants: readonly ApiGrant[];
}

/** Whether a caller may act in a project, or on a repository: whoever may do anything there may read there. */
export function mayAct(caller: ApiCaller, role: ApiRole, path: string | Repository): boolean {
  return caller.grants.some(
    (grant) => (grant.role === role || role === 'read') && isWithin(path.toLowerCase(), grant.project),
  );
}

function isWithin(path: string, project: string | undefined): boolean {
  return project === undefined || path === project || path.startsWith(`${project}/`);
}
