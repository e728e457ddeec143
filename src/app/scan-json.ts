import type { ScanFormat } from './scan-output.ts';

/** One JSON document, whole also when the scan was interrupted. */
export function jsonFormat(): ScanFormat {
  let separator = '';
  return {
    begin: ({ upstream, rulesFile, rulesVersion, isImmutabilityOn }) => {
      const rules = { file: rulesFile, version: rulesVersion, immutability: isImmutabilityOn };
      return `{"format":1,"upstream":${JSON.stringify(upstream)},"rules":${JSON.stringify(rules)},"repositories":[`;
    },
    repository: (report) => {
      const text = `${separator}\n${JSON.stringify(report)}`;
      separator = ',';
      return text;
    },
    end: (totals, isInterrupted) =>
      `\n],"totals":${JSON.stringify(totals)},"interrupted":${String(isInterrupted)}}\n`,
  };
}
