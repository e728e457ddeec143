/** What mends what OpenSSL and Node find wrong with an upstream. */
const mends: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself: give it, if you trust it, in upstream.ca_file',
  SELF_SIGNED_CERT_IN_CHAIN:
    'nobody vouches for its authority: give that, if you trust it, in upstream.ca_file',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its issuer is not known: give that in upstream.ca_file, or let the upstream send its whole chain',
  UNABLE_TO_GET_ISSUER_CERT: 'its issuer is not known: give that in upstream.ca_file',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'its issuer is not known: give that in upstream.ca_file, or let the upstream send its whole chain',
  CERT_UNTRUSTED: 'it is not trusted: give its authority in upstream.ca_file',
  INVALID_PURPOSE: 'it is no certificate of a server: renew it at the upstream',
  CERT_HAS_EXPIRED: 'it has expired: renew it at the upstream',
  CERT_NOT_YET_VALID: 'it is not valid yet: look at the clocks of both machines',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'it is for another name: give one that it is for in upstream.server_name, or in upstream.url',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS: write http:// in upstream.url',
};

/** The upstream ends the connection by such an alert where it does not like what it is shown. */
const alerts =
  /^ERR_SSL_(?:TLSV1[23]?_ALERT_|SSLV3_ALERT_)?(?:CERTIFICATE_REQUIRED|BAD_CERTIFICATE|CERTIFICATE_UNKNOWN|CERTIFICATE_EXPIRED|UNSUPPORTED_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE|ACCESS_DENIED)$/;
const clientMend =
  'it wants a certificate of ours, or does not take it: upstream.client_cert_file, upstream.client_key_file';

/**
 * Why no connection was made that the upstream can be trusted on, for the log: with the key that mends it. Undefined
 * for what has nothing to do with TLS.
 */
export function explainTlsFailure(error: Error): string | undefined {
  const { code = '' } = error as NodeJS.ErrnoException;
  const mend = mends[code] ?? (alerts.test(code) ? clientMend : undefined);
  if (mend === undefined || error.message.includes(mend)) return undefined;
  return `TLS with the upstream failed: ${mend} (${code}: ${error.message})`;
}
