/** The fields of a line of JSON; none where it is no object. */
export function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

export function isText<Text extends string>(
  value: unknown,
  isSound: (text: string) => text is Text,
): value is Text {
  return typeof value === 'string' && isSound(value);
}
