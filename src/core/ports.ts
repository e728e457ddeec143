import type { TagFact } from './verdict.ts';
import type { HeaderList } from './header-list.ts';
import type { Digest, Repository, Tag } from './reference.ts';
import type { Caller, RuleSet } from './rule.ts';

/** Time, so that tests can hold it. */
export interface Clock {
  /** Epoch milliseconds. */
  nowMs(): number;
  sleep(ms: number): Promise<void>;
}

/** The rules in force. Read once for each request. */
export interface RuleSource {
  current(): RuleSet;
}

/** There is no token, or none that is good. Why is private: an attacker learns nothing from it. */
export class TokenRefused extends Error {
  readonly wasGiven: boolean;

  constructor(reason: string, { wasGiven, cause }: { wasGiven: boolean; cause?: unknown }) {
    super(reason, { cause });
    this.wasGiven = wasGiven;
  }
}

/** Who sent a request, by its headers. */
export interface Callers {
  /** @throws TokenRefused where callers must have a token and this one has no good one */
  identify(headers: HeaderList): Promise<Caller>;
}

/** Verifies tokens. */
export interface TokenVerifier {
  /**
   * The claims of a good token.
   * @throws TokenRefused for any other
   */
  verify(token: string): Promise<TokenClaims>;
}

/** The claims of a token that the rest of us reads, whoever issued it. */
export type TokenClaims = Readonly<Record<string, unknown>>;

/** Digests of one manifest, by its bytes. */
export interface PushedDigests {
  readonly sha256: Digest;
  /** Whether a digest, of whatever algorithm, names these bytes. */
  includes(digest: Digest): boolean;
}

export interface TagQuestion {
  readonly repository: Repository;
  readonly tag: Tag;
  /** The caller's `Authorization` and the host that the caller addressed: it is asked as the caller would ask. */
  readonly asCaller: HeaderList;
  /** Absent where nothing is being pushed. */
  readonly pushed?: PushedDigests;
  /** What is not known by then is `unknown`. */
  readonly withinMs: number;
}

/** The upstream wants other credentials (401): its challenge goes back to the client, who can answer it. */
export class CredentialsRefused extends Error {
  readonly challenges: readonly string[];

  /** @param challenges the values of its `WWW-Authenticate` fields */
  constructor(challenges: readonly string[]) {
    super('the upstream refused the credentials of a look-up');
    this.challenges = challenges;
  }
}

/** What the upstream holds. */
export interface TagFacts {
  /**
   * Never rejects but with CredentialsRefused: what cannot be learnt in time is `unknown`.
   * @throws CredentialsRefused
   */
  lookUp(question: TagQuestion): Promise<TagFact>;
}

/** The reservation of some tags of one repository for one manifest, all or none, by one request. */
export interface ClaimRequest {
  readonly repository: Repository;
  /** Sorted. */
  readonly tags: readonly Tag[];
  /** SHA-256 of the body. */
  readonly digest: Digest;
  /** Unique to the request: holders are ids, for a give-back that is sent twice must not count twice. */
  readonly holder: string;
}

export type ClaimAnswer =
  | { readonly outcome: 'held' }
  /** Another manifest has the tag: for good if confirmed, or until its request ends. */
  | { readonly outcome: 'taken'; readonly tag: Tag; readonly digest: Digest; readonly confirmed: boolean }
  /** More requests push this very manifest than are let in at once. */
  | { readonly outcome: 'crowded'; readonly tag: Tag };

/** Create-once claims (docs/create-once.md). Every method is idempotent. */
export interface ClaimStore {
  claim(request: ClaimRequest): Promise<ClaimAnswer>;
  /** Right before the PUT: whether the claim is still this holder's, prolonged to the full lifetime if so. */
  arm(request: ClaimRequest): Promise<boolean>;
  /** After a 2xx: whether the claim was still this holder's, now confirmed. */
  confirm(request: ClaimRequest): Promise<boolean>;
  /** After a definite refusal, or before anything was sent. */
  giveBack(request: ClaimRequest): Promise<void>;
  /** The PUT may or may not have happened: the holder stays until the claim expires. */
  leaveUnknown(request: ClaimRequest): Promise<void>;
  /** Resolves when the claim on a tag may have changed, or after the time is up. */
  changed(repository: Repository, tag: Tag, timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}
