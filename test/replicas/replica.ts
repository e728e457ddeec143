import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Test } from 'tap';
import { asUser } from '../fixtures/program.ts';
import { projectRoot } from '../fixtures/start.ts';
import { readinessAt, type Readiness } from '../fixtures/readiness.ts';

/** A line of its log; `time` in epoch milliseconds. */
export interface LogLine {
  readonly time: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** One Tagwarden as operators run it: a process, which can be killed and started again at the same address. */
export class Replica {
  readonly index: number;
  /** Of all its lives. */
  readonly lines: LogLine[] = [];
  readonly #directory: string;
  readonly #nodeFlags: readonly string[];
  #address = '127.0.0.1:0';
  #adminAddress = '';
  #child: ChildProcess | undefined;
  #said = '';

  /** @param config what its configuration file has, but for the addresses */
  static async start(
    t: Test,
    index: number,
    directory: string,
    config: object,
    nodeFlags: readonly string[] = [],
  ): Promise<Replica> {
    mkdirSync(directory);
    // JSON is YAML.
    writeFileSync(join(directory, 'tagwarden.yaml'), JSON.stringify({ log: { level: 'debug' }, ...config }));
    const replica = new Replica(index, directory, nodeFlags);
    t.teardown(() => replica.kill());
    await replica.start();
    return replica;
  }

  private constructor(index: number, directory: string, nodeFlags: readonly string[]) {
    this.index = index;
    this.#nodeFlags = nodeFlags;
    this.#directory = directory;
  }

  /** `127.0.0.1:PORT` */
  get address(): string {
    return this.#address;
  }

  get url(): string {
    return `http://${this.#address}`;
  }

  /** What it has said beside its log. */
  get said(): string {
    return this.#said;
  }

  get pid(): number {
    return this.#child?.pid ?? NaN;
  }

  get configFile(): string {
    return join(this.#directory, 'tagwarden.yaml');
  }

  /** Starts the process, and waits until it listens. */
  async start(): Promise<void> {
    const flags = ['--config', this.configFile, '--listen', this.#address, '--admin-listen', '127.0.0.1:0'];
    const command = asUser([
      'node',
      ...this.#nodeFlags,
      join(projectRoot, 'dist/main.js'),
      'serve',
      ...flags,
    ]);
    const child = spawn(...command, { cwd: this.#directory, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
    const listening = new Promise<LogLine>((resolve) => {
      createInterface({ input: child.stdout }).on('line', (text) => {
        const line = JSON.parse(text) as LogLine;
        this.lines.push(line);
        if (line.msg === 'listening') resolve(line);
      });
    });
    const failed = once(child, 'close').then(() => {
      throw new Error(`replica ${this.index} ended before it listened: ${this.#said}`);
    });
    const { address, admin } = await Promise.race([listening, failed]);
    failed.catch(() => undefined);
    this.#address = String(address);
    this.#adminAddress = String(admin);
  }

  /** As the kernel does it that is out of memory: nothing is closed, nothing is told. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  }

  /** As an operator does it; its exit code. */
  async stop(): Promise<number | null> {
    const child = this.#child;
    if (!child) throw new Error('it was never started');
    const closed = once(child, 'close') as Promise<[number | null]>;
    child.kill('SIGTERM');
    const [exitCode] = await closed;
    return exitCode;
  }

  /** Stands still, as in a machine that is suspended, until `resume`. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  /** What `/readyz` says of each part; undefined where nobody answers. */
  async readiness(): Promise<Readiness | undefined> {
    return readinessAt(this.#adminAddress).catch(() => undefined);
  }
}
