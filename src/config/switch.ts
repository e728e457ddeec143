import { readDocument, type Outcome } from './document.ts';
import { keyPaths } from './schema.ts';

export interface ConfiguredSwitch {
  readonly isEnabled: boolean;
  /** Whether the text says so; else it is the default. */
  readonly isExplicit: boolean;
}

const sections = [...new Set(keyPaths.map((path) => path.replace(/\..*/, '')))];
const names = keyPaths.flatMap((path) => (path.startsWith('immutability.') ? path.split('.').slice(1) : []));

/**
 * Reads `immutability.enabled` out of a config file, and nothing else: in an emergency the switch must not wait for a
 * secret file that another key names. The rest need only be YAML, with sections that exist.
 */
export function readSwitch(text: string): Outcome<ConfiguredSwitch> {
  return readDocument(text, (root) => {
    const section = root.fields(sections)?.get('immutability');
    const enabled = section?.fields(names)?.get('enabled');
    const isEnabled = enabled ? enabled.boolean() : true;
    return isEnabled === undefined ? undefined : { isEnabled, isExplicit: enabled !== undefined };
  });
}
