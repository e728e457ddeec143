/**
 * Every error that a client can see, on one page: code → status and the words when nothing better is known.
 * Codes are the distribution-spec's (section "Error Codes") and distribution's own TAG_INVALID, UNAVAILABLE:
 * docker prints a code that it does not know as `unknown:`.
 */
const table = {
  BLOB_UPLOAD_INVALID: { status: 400, message: 'blob upload invalid' },
  BLOB_UPLOAD_UNKNOWN: { status: 404, message: 'blob upload unknown to registry' },
  DENIED: { status: 403, message: 'requested access to the resource is denied' },
  MANIFEST_INVALID: { status: 400, message: 'manifest invalid' },
  MANIFEST_UNKNOWN: { status: 404, message: 'manifest unknown' },
  NAME_INVALID: { status: 400, message: 'invalid repository name or path' },
  NOT_FOUND: { status: 404, message: 'nothing is served here' },
  SIZE_INVALID: { status: 413, message: 'the body is too large' },
  TAG_INVALID: { status: 400, message: 'invalid tag' },
  TOOMANYREQUESTS: { status: 429, message: 'too many requests' },
  UNAUTHORIZED: { status: 401, message: 'authentication required' },
  UNAVAILABLE: { status: 503, message: 'the registry is not available' },
  UNSUPPORTED: { status: 405, message: 'the operation is unsupported' },
} as const;

export type ErrorCode = keyof typeof table;

/** Details are public: they are printed by crane and oras. */
export type ErrorDetail = Readonly<Record<string, unknown>>;

interface ErrorOptions {
  readonly message?: string;
  readonly detail?: ErrorDetail;
  /** Where the table's status is not the right one: 415, 502, 504. */
  readonly status?: number;
  readonly retryAfterSeconds?: number;
  /** Values of `WWW-Authenticate`. */
  readonly challenges?: readonly string[];
  /** Private: logged, never sent. */
  readonly cause?: unknown;
  /** The rules that a refusal comes from. */
  readonly ruleIds?: readonly string[];
}

/** What is answered in place of a forwarded response. Its message is public, its cause is not. */
export class RegistryError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly detail: ErrorDetail | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly challenges: readonly string[];
  readonly ruleIds: readonly string[];

  constructor(code: ErrorCode, options: ErrorOptions = {}) {
    super(options.message ?? table[code].message, { cause: options.cause });
    this.name = 'RegistryError';
    this.code = code;
    this.status = options.status ?? table[code].status;
    this.detail = options.detail;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.challenges = options.challenges ?? [];
    this.ruleIds = options.ruleIds ?? [];
  }

  /** The error form of the distribution-spec: `{"errors":[{"code","message","detail"}]}`. */
  body(): string {
    const { code, message, detail } = this;
    return JSON.stringify({ errors: [detail ? { code, message, detail } : { code, message }] });
  }
}
