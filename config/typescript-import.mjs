import { register } from 'node:module';

// For `node --import`, before tap's own imports, of which one would compile everything itself: this tells it not to.
process.env.TAP_TYPE_STRIP_ONLY = '1';
register('./typescript-hooks.mjs', import.meta.url);
