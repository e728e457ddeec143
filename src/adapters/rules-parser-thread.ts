import { parentPort, workerData } from 'node:worker_threads';
import { parseRules } from '../config/rules.ts';
import type { Told } from './rules-parser.ts';
import { writeSnapshot } from './rules-snapshot.ts';

// A thread that parses one text, tells what is in it, and ends (rules-parser.ts).
const parsed = parseRules(workerData as string);
const told: Told =
  'errors' in parsed
    ? parsed
    : { version: parsed.rules.version, snapshot: writeSnapshot(parsed.rules, () => 0) };
parentPort?.postMessage(told);
