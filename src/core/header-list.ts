/** Header fields as they came, `[name, value, name, value, …]`: order, case and repetition kept. */
export type HeaderList = readonly string[];

/** Every value of a field, in order. `name` is in lower case. */
export function headerValues(headers: HeaderList, name: string): readonly string[] {
  return pairsOf(headers)
    .filter(([field]) => field.toLowerCase() === name)
    .map(([, value]) => value);
}

/** The value of a field that has exactly one. */
export function soleHeader(headers: HeaderList, name: string): string | undefined {
  const values = headerValues(headers, name);
  return values.length === 1 ? values[0] : undefined;
}

/** A copy in which some fields are left out and some values rewritten (undefined leaves a field out). */
export function mapHeaders(
  headers: HeaderList,
  map: (name: string, value: string) => string | undefined,
): string[] {
  return pairsOf(headers).flatMap(([field, value]) => {
    const mapped = map(field.toLowerCase(), value);
    return mapped === undefined ? [] : [field, mapped];
  });
}

function pairsOf(headers: HeaderList): (readonly [field: string, value: string])[] {
  const pairs: (readonly [string, string])[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) pairs.push([headers[at] ?? '', headers[at + 1] ?? '']);
  return pairs;
}
