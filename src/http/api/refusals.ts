/** What is answered in place of what was asked for, in GitLab's words. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal';
  readonly status: number;
  readonly body: ApiRefusalBody;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, body: ApiRefusalBody, headers: Readonly<Record<string, string>> = {}) {
    super(JSON.stringify(body));
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** `error` where GitLab's framework refuses (grape), `message` where GitLab does. */
export type ApiRefusalBody =
  | { readonly error: string }
  | { readonly message: string | readonly string[] | { readonly error: string | readonly string[] } };

export function unauthorized(): ApiRefusal {
  return new ApiRefusal(401, { message: '401 Unauthorized' });
}

export function forbidden(): ApiRefusal {
  return new ApiRefusal(403, { message: '403 Forbidden' });
}

/** INVARIANT: a project that is not the caller's is answered like one that does not exist. */
export function projectNotFound(): ApiRefusal {
  return new ApiRefusal(404, { message: '404 Project Not Found' });
}

export function ruleNotFound(): ApiRefusal {
  return new ApiRefusal(404, { message: '404 Not found' });
}

export function routeNotFound(): ApiRefusal {
  return new ApiRefusal(404, { error: '404 Not Found' });
}

export function methodNotAllowed(allowed: readonly string[]): ApiRefusal {
  return new ApiRefusal(405, { error: '405 Not Allowed' }, { Allow: allowed.join(', ') });
}

export function unsupported(contentType: string | undefined): ApiRefusal {
  return new ApiRefusal(415, { error: `The provided content-type '${contentType ?? ''}' is not supported.` });
}

export function tooManyAttempts(retryAfterSeconds: number): ApiRefusal {
  const error = 'This endpoint has been requested too many times. Try again later.';
  return new ApiRefusal(429, { message: { error } }, { 'Retry-After': String(retryAfterSeconds) });
}

export function storeAway(): ApiRefusal {
  const message =
    '503 Service Unavailable: what keeps the rules is away; look at the rules before you try again';
  return new ApiRefusal(503, { message }, { 'Retry-After': '5' });
}
