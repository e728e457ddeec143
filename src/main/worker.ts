import { ServingWorker } from '../app/worker.ts';

// A worker, as the primary forks it: it is told what to do, and ends with the primary, of which node:cluster takes care.
const worker = new ServingWorker(
  {
    send: (message) => void process.send?.(message, undefined, undefined, () => undefined),
    onMessage: (hear) => process.on('message', hear),
  },
  () => process.exit(0),
);
const close = (): void => void worker.close();
process
  // Sent to a whole process group, as by a terminal.
  .on('SIGTERM', close)
  .on('SIGINT', close)
  .on('SIGHUP', () => void worker.reopen())
  .on('uncaughtExceptionMonitor', (error) => {
    worker.crashes(error);
  });
