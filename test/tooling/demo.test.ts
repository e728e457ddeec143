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

t.test('npm run demo -- --auth shows what users may and may not do', async (t) => {
  const { exitCode, output } = await runProgram('npm', ['run', 'demo', '--', '--auth'], { cwd: projectRoot });
  t.equal(exitCode, 0, exitCode === 0 ? 'exit code 0' : output);
  t.equal(output.match(/^ {3}OK /gm)?.length, 8);
  t.match(output, /^ {3}OK {5}refused by the registry$/m);
  t.match(output, /"container protected; you are not allowed to push to flightjs\/frozen /);
  t.match(
    output,
    /denied: tag protected; pushing flightjs\/flight:latest needs maintainer, you have developer/,
  );
});

t.test('the demo knows no other flag', async (t) => {
  const { exitCode, output } = await runProgram('npm', ['run', 'demo', '--', '--aut'], { cwd: projectRoot });
  t.equal(exitCode, 1);
  t.match(output, 'The demo knows no --aut');
});
