import type { ExplainReport, MatchReport } from '../http/explain-report.ts';
import { alignedRows } from './aligned-rows.ts';

const headings = [
  ['repository', 'repository rules'],
  ['tag', 'tag rules'],
  ['immutability', 'immutability'],
  ['need', 'tags that need it'],
] as const;

/** For people: the verdict, who asks and what is there, then every rule in the order of judging. */
export function explainText(report: ExplainReport): string {
  const { verdict, message, caller, action, repository, reference, matched } = report;
  const separator = reference.includes(':') ? '@' : ':';
  const who = caller.subject ?? 'nobody in particular';
  const groups = caller.groups.length > 0 ? `, in ${caller.groups.join(', ')}` : '';
  const from = caller.member === null ? 'by default' : `member ${caller.member}`;
  const stages = headings.flatMap(([stage, heading]) =>
    stageText(
      heading,
      matched.filter((match) => match.stage === stage),
    ),
  );
  return [
    verdict,
    ...(message === null ? [] : [`  ${message}`]),
    '',
    `${action} ${repository}${separator}${reference}`,
    `  by ${who}${groups}: ${caller.access_level} (${from})`,
    ...tagText(report),
    ...(matched.length === 0 ? ['', 'no rule is about it'] : stages),
    '',
  ].join('\n');
}

function tagText({ tag, reference }: ExplainReport): string[] {
  switch (tag?.state) {
    case undefined:
      return [];
    case 'absent':
      return [`  ${reference} is not there`];
    case 'present':
      return [`  ${reference} is ${tag.digest}`];
    case 'unknown':
      return [`  what ${reference} is is not known: ${tag.reason}`];
  }
}

function stageText(heading: string, matches: readonly MatchReport[]): string[] {
  if (matches.length === 0) return [];
  const rows = matches.map(({ id, says, outcome, enforcement, why }) => [
    // A rule without a name is called what it says.
    id === says ? id : `${id}: ${says}`,
    enforcement === 'warn' ? `${outcome}, only warns` : outcome,
    why,
  ]);
  return ['', heading, ...alignedRows(rows).map((row) => `  ${row}`)];
}
