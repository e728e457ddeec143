/** Rows of texts under a head of texts, as Markdown: so that it can go into docs/performance.md as it is. */
export function printTable(head, rows) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length), 3));
  const line = (row) =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  console.log(['', line(head), rule, ...rows.map(line)].join('\n'));
}

export function number(value, digits = 2) {
  if (value === undefined) return '';
  return value >= 100 ? value.toFixed(0) : value.toFixed(digits);
}

export function ratio(value, other) {
  return value === undefined || other === undefined ? '' : `${(value / other).toFixed(2)} ×`;
}
