import type { HeaderList } from './header-list.ts';

/** The head of an answer that can be read in one way only, and whose body is `length` bytes, no more and no less. */
export interface PlainHead {
  readonly status: number;
  readonly reason: string;
  readonly headers: HeaderList;
  readonly length: number;
  /** Whether another request may follow on the connection. */
  readonly isReusable: boolean;
}

const statusLine = /^HTTP\/1\.1 ([2-5][0-9]{2}) ([\t -~]*)$/;
/** RFC 9110, section 5.1, and a value without anything that some parser could take for an end of the line. */
const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t ]*([\t -~]*?)[\t ]*$/;
const lengthGrammar = /^[0-9]{1,15}$/;
/** No body, whatever the length says (RFC 9112, section 6.3); 205 is read differently by everybody. */
const bodyless = new Set([204, 205, 304]);
/** What makes the length of the body, or the protocol, a matter of interpretation. */
const framing = new Set(['transfer-encoding', 'upgrade', 'trailer']);

/**
 * Reads the head of an answer, up to its empty line and without that. Stricter than any general parser: undefined is
 * no complaint about the answer, but says that somebody else has to read it.
 * @param text as latin1
 */
export function parsePlainHead(text: string): PlainHead | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const [, digits, reason = ''] = statusLine.exec(first) ?? [];
  const status = Number(digits);
  if (digits === undefined || bodyless.has(status)) return undefined;
  const headers: string[] = [];
  let length: string | undefined;
  let isReusable = true;
  for (const line of lines) {
    const [, name, value = ''] = field.exec(line) ?? [];
    if (name === undefined) return undefined;
    const lowered = name.toLowerCase();
    if (framing.has(lowered)) return undefined;
    if (lowered === 'content-length') {
      if (length !== undefined || !lengthGrammar.test(value)) return undefined;
      length = value;
    }
    if (lowered === 'connection' && value.toLowerCase() !== 'keep-alive') isReusable = false;
    headers.push(name, value);
  }
  return length === undefined ? undefined : { status, reason, headers, length: Number(length), isReusable };
}
