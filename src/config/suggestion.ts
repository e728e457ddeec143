/** `; did you mean X?` where one of the candidates is close to the word, else nothing. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const closest = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= Math.ceil(candidate.length * 0.4))
    .sort((a, b) => a.distance - b.distance)[0];
  return closest ? `; did you mean ${closest.candidate}?` : '';
}

/** Levenshtein's: how many characters to insert, drop or replace. One row of the table at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [index, character] of Array.from(from).entries()) {
    let left = index + 1;
    let diagonal = index;
    row = row.map((above, column) => {
      if (column > 0) left = Math.min(above + 1, left + 1, diagonal + (to[column - 1] === character ? 0 : 1));
      diagonal = above;
      return left;
    });
  }
  return row[to.length] ?? 0;
}
