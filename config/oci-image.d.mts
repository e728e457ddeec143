export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export interface Content {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** An image or an index: a manifest with what it needs. */
export interface Image extends Content {
  readonly blobs: readonly Content[];
  readonly manifests: readonly Image[];
}

export interface PlatformImage extends Image {
  readonly platform: { readonly architecture: string; readonly os: string };
}

export function digestOf(bytes: Buffer): string;
export function tar(files: Readonly<Record<string, string | Buffer>>): Buffer;
export function buildImage(
  files: Readonly<Record<string, string | Buffer>>,
  architecture?: string,
): PlatformImage;
export function buildIndex(images: readonly PlatformImage[]): Image;
export function writeLayout(directory: string, tags: Readonly<Record<string, Image>>): void;
