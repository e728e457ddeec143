interface LockedPackage {
  readonly path: string;
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly isTool: boolean;
}

interface Component {
  readonly 'bom-ref': string;
  readonly hashes: readonly { readonly alg: string; readonly content: string }[];
}

interface Bom {
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

export const productLicences: readonly string[];
export const toolLicences: readonly string[];
export function lockedPackages(): readonly LockedPackage[];
export function bom(): Bom;
