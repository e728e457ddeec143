type JsonSchema = Readonly<Record<string, unknown>>;

export function chartSchema(
  values: string,
  schemas: { readonly configSchema: JsonSchema; readonly rulesSchema: JsonSchema },
): JsonSchema;
