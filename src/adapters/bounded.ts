/**
 * Does something for every item, so many at a time; items may be added meanwhile. Resolves with the first answer that
 * is not undefined, which ends it, or with undefined when all is done.
 */
export async function forEachBounded<Item, Stop>(
  items: Iterable<Item>,
  concurrency: number,
  visit: (item: Item, add: (item: Item) => void) => Promise<Stop | undefined>,
): Promise<Stop | undefined> {
  const waiting = [...items].reverse();
  let stop: Stop | undefined;
  let running = 0;
  return new Promise((resolve, reject) => {
    const add = (item: Item): void => void waiting.push(item);
    const goOn = (): void => {
      while (stop === undefined && running < concurrency) {
        const item = waiting.pop();
        if (item === undefined) break;
        running += 1;
        visit(item, add).then((answer) => {
          running -= 1;
          stop ??= answer;
          goOn();
        }, reject);
      }
      if (running === 0 || stop !== undefined) resolve(stop);
    };
    goOn();
  });
}
