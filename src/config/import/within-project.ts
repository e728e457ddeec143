/**
 * GitLab asks a project's rules about the repositories of that project alone: of `flight*` in the project `flight`
 * that is `flight` itself, and what is below it, and never `flightjs`. Without the project the pattern would say more.
 * @returns the patterns that together say it; none where it matches nothing
 */
export function patternsWithin(project: string, pattern: string): readonly string[] {
  const rest = restAfter(project.toLowerCase(), pattern.toLowerCase());
  return [...new Set(rest)].map((text) => `${project}${text}`);
}

/** What may follow the path of the project: nothing, or a slash and more. */
function restAfter(project: string, pattern: string): readonly string[] {
  const wildcard = pattern.indexOf('*');
  const head = wildcard < 0 ? pattern : pattern.slice(0, wildcard);
  if (wildcard < 0 || head.length > project.length) {
    if (!pattern.startsWith(project)) return [];
    const rest = pattern.slice(project.length);
    return rest === '' || rest.startsWith('/') ? [rest] : [];
  }
  if (!project.startsWith(head)) return [];
  return afterWildcard(project.slice(head.length), pattern.slice(wildcard));
}

/** @param pattern begins with a wildcard, which may end before, in or after what is left of the project's path */
function afterWildcard(left: string, pattern: string): readonly string[] {
  const found = new Set<string>();
  // The wildcard covers all of it, and maybe more.
  const after = pattern.replace(/^\*+/, '');
  if (after === '') found.add('').add('/*');
  else found.add(`/*${after}`);
  for (let covered = 0; after !== '' && covered <= left.length; covered += 1) {
    for (const rest of restAfter(left.slice(covered), after)) found.add(rest);
  }
  return [...found];
}
