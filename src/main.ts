#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import module from 'node:module';
import type { Config } from './config/config.ts';

const usage = `tagwarden: a front door for a container registry

  tagwarden serve [--upstream URL] [--rules FILE] [--config FILE] …
  tagwarden check [the same]   reads the configuration and the rules, and prints every error
  tagwarden immutability [on|off] [the same]
                              says, or sets, on all replicas of a Redis, whether immutable rules count
  tagwarden scan [--json] [the same] [REPOSITORY…]
                              lists which tags are protected, by which rule, and what nobody protects;
                              what no tag leads to cannot be listed (docs/scan.md)
  tagwarden api-token NAME [--role read|write|unlock[:PROJECT]]…
                              makes a token of the management API: prints it, and on standard error what
                              admin.token_file needs (docs/api.md)
  tagwarden explain push|delete REPOSITORY:TAG|REPOSITORY@DIGEST [--as SUBJECT] [the same]
                              says whether it is allowed, by which rules, and why (docs/cli.md)
  tagwarden rules list|add|remove --instance URL --project PATH …
                              the rules of a running Tagwarden; list --rules FILE: of a file
  tagwarden rules import FILE [--from gitlab|harbor|ecr] [--project PATH] [--output FILE]
                              writes a rules file that says what another registry's rules say
  tagwarden completion bash|zsh|fish
                              prints what a shell loads to complete all this
  tagwarden hash-password USER prints a line for auth.users_file; reads the password from standard input
  tagwarden --help | --version
`;

/** @returns the exit code; a server that runs has none yet */
async function main([command = '', ...argv]: readonly string[]): Promise<number | undefined> {
  if (command === '--version') {
    console.log((await import('./app/version.ts')).versionOnDisk());
    return 0;
  }
  if (command === '--help' || argv.includes('--help')) return help();
  if (command === 'hash-password') return hashPasswordOf(argv);
  if (command === 'api-token') return apiToken(argv);
  if (command === 'immutability') return immutability(argv);
  if (command === 'scan') return scan(argv);
  const run = (await import('./app/commands.ts')).commandCalled(command);
  if (run)
    return run({ argv, env: process.env, cwd: process.cwd(), out: process.stdout, err: process.stderr });
  if (command !== 'serve' && command !== 'check') {
    console.error(command === '' ? usage : `tagwarden: unknown command "${command}"\n\n${usage}`);
    return 2;
  }
  const config = await readConfig(argv);
  if (!config) return 1;
  return command === 'serve' ? serve(config) : check(config);
}

async function help(): Promise<number> {
  const { flagHelp } = await import('./config/reference.ts');
  console.log(`${usage}\n${flagHelp()}`);
  return 0;
}

async function hashPasswordOf([user, ...rest]: readonly string[]): Promise<number> {
  const { hashPassword, parseUsers } = await import('./adapters/token/users-file.ts');
  if (user === undefined || rest.length > 0) {
    printErrors(['hash-password takes one argument, the name of the user']);
    return 2;
  }
  if (process.stdin.isTTY) console.error('Password (it is shown; end with Enter and Ctrl-D):');
  const password = readFileSync(0, 'utf8').replace(/\r?\n$/, '');
  try {
    if (password === '') throw new Error('the password is empty');
    const line = `${user}:${await hashPassword(password)}`;
    const parsed = parseUsers(line);
    if ('errors' in parsed) throw new Error('a user name has no blanks and no colon');
    console.log(line);
    return 0;
  } catch (error) {
    printErrors([(error as Error).message]);
    return 1;
  }
}

async function apiToken(argv: readonly string[]): Promise<number> {
  const { makeApiToken } = await import('./app/api-token.ts');
  const made = makeApiToken(argv);
  if ('errors' in made) {
    // Standard error may be the tokens file: a comment does it no harm.
    for (const error of made.errors) console.error(`# tagwarden: ${error}`);
    return 2;
  }
  console.log(made.token);
  process.stderr.write(made.entry);
  return 0;
}

async function immutability([first = '', ...rest]: readonly string[]): Promise<number> {
  const isPosition = first === 'on' || first === 'off';
  const config = await readConfig(isPosition || first === '' ? rest : [first, ...rest]);
  if (!config) return 1;
  const { switchReplicas } = await import('./app/switch.ts');
  try {
    const outcome = await switchReplicas(config, isPosition ? first === 'on' : undefined);
    if ('says' in outcome) console.log(`tagwarden: ${outcome.says}`);
    else printErrors([outcome.error]);
    return 'says' in outcome ? 0 : 1;
  } catch (error) {
    const cause = (error as Error).cause;
    printErrors([`${(error as Error).message}${cause instanceof Error ? ` (${cause.message})` : ''}`]);
    return 1;
  }
}

async function scan(argv: readonly string[]): Promise<number> {
  const app = await import('./app/scan.ts');
  const interrupted = new AbortController();
  const interrupt = (): void => {
    interrupted.abort();
  };
  // A second Ctrl-C ends the process at once. A reader that has seen enough (head) ends the scan too.
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  process.stdout.on('error', interrupt);
  const { stdout: out, stderr: err, env } = process;
  return app.scan({ argv, env, cwd: process.cwd(), out, err, signal: interrupted.signal });
}

async function readConfig(argv: readonly string[]): Promise<Config | undefined> {
  const { loadConfig } = await import('./config/load.ts');
  const loaded = loadConfig({ argv, env: process.env, cwd: process.cwd() });
  if ('config' in loaded) return loaded.config;
  printErrors(loaded.errors);
  return undefined;
}

function printErrors(errors: readonly string[]): void {
  for (const error of errors) console.error(`tagwarden: ${error}`);
}

async function check(config: Config): Promise<number> {
  const [{ checkRulesFiles }, { checkApiTokens }, { checkTlsFiles }] = await Promise.all([
    import('./adapters/managed-rules-file.ts'),
    import('./app/api-token.ts'),
    import('./app/tls.ts'),
  ]);
  const {
    rules: { file, managedFile },
    redis,
    admin,
  } = config;
  const errors = [
    ...(await checkTlsFiles(config)),
    ...checkRulesFiles(file, redis ? undefined : managedFile),
    ...(admin.tokenFile === undefined ? [] : checkApiTokens(admin.tokenFile)),
  ];
  printErrors(errors);
  const what = file === undefined ? 'the configuration is good' : `the configuration and ${file} are good`;
  if (errors.length === 0) console.log(`tagwarden: ${what}`);
  return errors.length === 0 ? 0 : 1;
}

async function serve(config: Config): Promise<number | undefined> {
  const [{ openLog }, { startApp }] = await Promise.all([import('./app/log.ts'), import('./app.ts')]);
  const log = await openLog(config);
  try {
    const app = await startApp(config, log);
    let isEnding = false;
    const end = (signal: NodeJS.Signals): void => {
      // Sent twice where both npm and a process group pass it on.
      if (isEnding) return;
      isEnding = true;
      log.info({ signal }, 'closing');
      void app.close().then(() => {
        log.info('closed');
        process.exit(0);
      });
    };
    process
      .on('SIGTERM', end)
      .on('SIGINT', end)
      .on('SIGHUP', () => {
        app.reopen();
      });
    log.info({ address: app.address, admin: app.adminAddress, upstream: config.upstream.url }, 'listening');
    return undefined;
  } catch (error) {
    printErrors((error as Error).message.split('\n'));
    return 1;
  }
}

// From Node 22.1 on: what was compiled once is not compiled at every start.
(module as { enableCompileCache?: () => void }).enableCompileCache?.();
const exitCode = await main(process.argv.slice(2));
if (exitCode !== undefined) process.exitCode = exitCode;
