import type { RepositoryReport, SizedDigest, TagReport } from './scan-report.ts';

interface Amount {
  count: number;
  /** As far as they are known. */
  bytes: number;
}

/** Of all repositories that were scanned; the keys are those of `--json` (docs/scan.md). */
export interface ScanTotals {
  repositories: number;
  /** Those of which something could not be read. */
  unread: number;
  tags: number;
  /** Those that not everybody may change as they like. */
  protected: number;
  immutable: number;
  /** A blob of two repositories counts twice. */
  unprotected: { readonly manifests: Amount; readonly blobs: Amount };
}

export function noTotals(): ScanTotals {
  const unprotected = { manifests: { count: 0, bytes: 0 }, blobs: { count: 0, bytes: 0 } };
  return { repositories: 0, unread: 0, tags: 0, protected: 0, immutable: 0, unprotected };
}

export function addTo(totals: ScanTotals, { error, tags, unprotected }: RepositoryReport): void {
  totals.repositories += 1;
  totals.unread += error === null ? 0 : 1;
  totals.tags += tags.length;
  totals.protected += tags.filter(isProtected).length;
  totals.immutable += tags.filter((tag) => tag.immutable.length > 0).length;
  addAmount(totals.unprotected.manifests, unprotected?.manifests ?? []);
  addAmount(totals.unprotected.blobs, unprotected?.blobs ?? []);
}

export function isProtected({ immutable, push, delete: remove, referrers }: TagReport): boolean {
  const isKept = referrers?.treatment === 'append_only' || referrers?.treatment === 'immutable';
  return immutable.length > 0 || push !== null || remove !== null || isKept;
}

function addAmount(amount: Amount, found: readonly SizedDigest[]): void {
  amount.count += found.length;
  for (const { bytes } of found) amount.bytes += bytes ?? 0;
}
