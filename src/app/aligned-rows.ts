/** Rows as lines, of which all columns but the last are as wide as their widest cell. */
export function alignedRows(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, column) => (widths[column] = Math.max(widths[column] ?? 0, cell.length)));
  return rows.map((row) =>
    row.map((cell, column) => (column + 1 < row.length ? cell.padEnd(widths[column] ?? 0) : cell)).join('  '),
  );
}
