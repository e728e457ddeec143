/** Header fields as they came, `[name, value, name, value, …]`: order, case and repetition kept. */
export type HeaderList = readonly string[];

const none: readonly string[] = [];

/** Every value of a field, in order. `name` is in lower case. */
export function headerValues(headers: HeaderList, name: string): readonly string[] {
  let values: string[] | undefined;
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const field = headers[at] ?? '';
    // Every request asks for several fields: most are told apart by their length.
    if (field.length !== name.length || field.toLowerCase() !== name) continue;
    values ??= [];
    values.push(headers[at + 1] ?? '');
  }
  return values ?? none;
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
  const mappedHeaders: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const field = headers[at] ?? '';
    const mapped = map(field.toLowerCase(), headers[at + 1] ?? '');
    if (mapped !== undefined) mappedHeaders.push(field, mapped);
  }
  return mappedHeaders;
}
