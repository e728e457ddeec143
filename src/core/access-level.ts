/** What a caller may be in a repository, low to high. The numbers are GitLab's. */
export const accessLevels = {
  anonymous: 0,
  guest: 10,
  reporter: 20,
  developer: 30,
  maintainer: 40,
  owner: 50,
  admin: 60,
} as const;

export type AccessLevel = keyof typeof accessLevels;
/** What a rule asks for; `no_access` is met by nobody, an admin included. */
export type MinimumAccessLevel = AccessLevel | 'no_access';

export function isAccessLevel(text: string): text is AccessLevel {
  return Object.hasOwn(accessLevels, text);
}

export function rankOf(level: MinimumAccessLevel): number {
  return level === 'no_access' ? Infinity : accessLevels[level];
}

export function meets(level: AccessLevel, minimum: MinimumAccessLevel): boolean {
  return rankOf(level) >= rankOf(minimum);
}
