import t from 'tap';
import { runProgram } from '../fixtures/program.ts';
import { projectRoot } from '../fixtures/start.ts';

t.test('npm run demo shows every promise kept', async (t) => {
  const { exitCode, output } = await runProgram('npm', ['run', 'demo'], { cwd: projectRoot });
  t.equal(exitCode, 0, exitCode === 0 ? 'exit code 0' : output);
  t.equal(output.match(/^ {3}OK /gm)?.length, 6);
  t.match(output, /denied: tag is immutable; flightjs\/flight:v1\.0 is sha256:/);
  t.match(output, /denied: container protected; /);
});
