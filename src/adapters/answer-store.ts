import { LRUCache } from 'lru-cache';
import type { KeptAnswer } from './kept-answer.ts';

/** Of the objects around an answer. */
const overheadBytes = 1_024;

/** Answers by what was asked; the least recently used are dropped first. */
export class AnswerStore {
  readonly #answers: LRUCache<string, KeptAnswer>;

  constructor(sizeBytes: number) {
    this.#answers = new LRUCache({ maxSize: sizeBytes, sizeCalculation: bytesOf });
  }

  get entries(): number {
    return this.#answers.size;
  }

  get bytes(): number {
    return this.#answers.calculatedSize;
  }

  find(key: string): KeptAnswer | undefined {
    return this.#answers.get(key);
  }

  keep(key: string, answer: KeptAnswer): void {
    this.#answers.set(key, answer);
  }

  drop(key: string): void {
    this.#answers.delete(key);
  }
}

function bytesOf({ headers, body }: KeptAnswer, key: string): number {
  const texts = headers.reduce((length, text) => length + text.length, key.length);
  return overheadBytes + texts + (body?.length ?? 0);
}
