import type { RepositoryReport } from './scan-report.ts';
import type { ScanTotals } from './scan-totals.ts';

/** Standard output or standard error, as far as a scan needs to know them. */
export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** What a scan is of. */
export interface ScanSubject {
  readonly upstream: string;
  readonly rulesFile: string;
  readonly rulesVersion: string;
  /** Whether immutable rules count. */
  readonly isImmutabilityOn: boolean;
}

/** How what was found is told, repository by repository: what was told is not kept. */
export interface ScanFormat {
  begin(subject: ScanSubject): string;
  repository(report: RepositoryReport): string;
  end(totals: ScanTotals, isInterrupted: boolean): string;
}
