import t from 'tap';
import { signedHeaders } from '../../../src/adapters/webhooks/signature.ts';
import { parseWebhookKeys } from '../../../src/config/webhook-keys.ts';

t.test('the example that libraries of receivers are tested with', (t) => {
  const keys = parseWebhookKeys('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
  const body = '{"test": 2432232314}';
  t.strictSame(signedHeaders(keys, 'msg_p5jXN8AQM9LWM0D4loKWxJek', body, 1_614_265_330_999), {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
  t.end();
});

t.test('what is no key is refused, and not repeated', (t) => {
  const long = Buffer.alloc(65).toString('base64');
  for (const text of ['', '\n', 'a-password', 'whsec_', 'whsec_c2hvcnQ=', `whsec_${long}`, 'whsec_!!!!']) {
    try {
      parseWebhookKeys(text);
      t.fail(text);
    } catch (error) {
      const { message } = error as Error;
      t.match(message, /^holds no key$|^must hold whsec_ and the base64 of 24 to 64 bytes/);
      t.notMatch(message, /a-password|c2hvcnQ|!!!!/);
    }
  }
  t.end();
});
