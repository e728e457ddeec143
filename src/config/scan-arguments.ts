import { isRepository, type Repository } from '../core/reference.ts';

/** What `tagwarden scan` is told beside the configuration. */
export interface ScanArguments {
  readonly isJson: boolean;
  /** None: all that the registry lists. */
  readonly repositories: readonly Repository[];
  /** The flags of the configuration. */
  readonly flags: readonly string[];
  readonly errors: readonly string[];
}

/** Every flag but `--json` takes a value, as `readFlags` has it; what is neither flag nor value is a repository. */
export function readScanArguments(argv: readonly string[]): ScanArguments {
  const flags: string[] = [];
  const repositories = new Set<Repository>();
  const errors: string[] = [];
  let isJson = false;
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index] ?? '';
    const next = argv[index + 1];
    if (argument === '--json') isJson = true;
    else if (argument.startsWith('--json='))
      errors.push('flag --json: takes no value; leave it out for a table');
    else if (argument.startsWith('--')) {
      flags.push(argument);
      if (argument.includes('=') || next === undefined || next.startsWith('--')) continue;
      flags.push(next);
      index += 1;
    } else if (isRepository(argument)) repositories.add(argument);
    else
      errors.push(
        `argument "${argument}": is no repository; write it as flightjs/flight, without host and tag`,
      );
  }
  return { isJson, repositories: [...repositories], flags, errors };
}
