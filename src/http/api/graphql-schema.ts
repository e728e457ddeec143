/** GitLab's names, also where one of its input types begins with a small letter; what is ours beside them is told. */
export const graphqlSchema = `
type Query {
  "Null where there is no such project, or where it is not the caller's."
  project(fullPath: ID!): Project
  "Null where it is not the caller's."
  containerRepository("As gid://gitlab/ContainerRepository/flightjs%2Fflight." id: ID!): ContainerRepository
}

type Mutation {
  createContainerProtectionTagRule(input: createContainerProtectionTagRuleInput!): CreateContainerProtectionTagRulePayload
  updateContainerProtectionTagRule(input: UpdateContainerProtectionTagRuleInput!): UpdateContainerProtectionTagRulePayload
  deleteContainerProtectionTagRule(input: DeleteContainerProtectionTagRuleInput!): DeleteContainerProtectionTagRulePayload
  createContainerProtectionRepositoryRule(input: CreateContainerProtectionRepositoryRuleInput!): CreateContainerProtectionRepositoryRulePayload
  updateContainerProtectionRepositoryRule(input: UpdateContainerProtectionRepositoryRuleInput!): UpdateContainerProtectionRepositoryRulePayload
  deleteContainerProtectionRepositoryRule(input: DeleteContainerProtectionRepositoryRuleInput!): DeleteContainerProtectionRepositoryRulePayload
}

type PageInfo {
  endCursor: String
  hasNextPage: Boolean!
}

"A prefix of repository paths."
type Project {
  id: ID!
  name: String!
  fullPath: ID!
  containerProtectionTagRules(first: Int = 100, after: String): ContainerProtectionTagRuleConnection!
  containerProtectionRepositoryRules(first: Int = 100, after: String): ContainerProtectionRepositoryRuleConnection!
}

type ContainerRepository {
  id: ID!
  "The last part of its path."
  name: String!
  path: String!
  "Those that the registry has now, by name."
  tags("At most 100." first: Int = 20, after: String, "What a tag's name contains." name: String): ContainerRepositoryTagConnection
}

type ContainerRepositoryTagConnection {
  nodes: [ContainerRepositoryTag!]!
  pageInfo: PageInfo!
}

type ContainerRepositoryTag {
  name: String!
  "Null where the tag has gone meanwhile."
  digest: String
  "Null where no rule in force covers the tag."
  protection: ContainerProtectionTag
}

"The strictest of the rules that cover a tag."
type ContainerProtectionTag {
  minimumAccessLevelForPush: ContainerProtectionTagRuleAccessLevel
  minimumAccessLevelForDelete: ContainerProtectionTagRuleAccessLevel
  "For everyone, whatever their level: then both levels are null."
  immutable: Boolean!
}

"""
Rules that are made here know MAINTAINER, OWNER, ADMIN and NO_ACCESS, which nobody has; those of the operator's own file
may have the others too.
"""
enum ContainerProtectionTagRuleAccessLevel {
  ANONYMOUS
  GUEST
  REPORTER
  DEVELOPER
  MAINTAINER
  OWNER
  ADMIN
  NO_ACCESS
}

enum ContainerProtectionRepositoryRuleAccessLevel {
  MAINTAINER
  OWNER
  ADMIN
  NO_ACCESS
}

"Whether a rule refuses, or only tells what it would refuse."
enum ContainerProtectionRuleEnforcement {
  DENY
  WARN
}

type ContainerProtectionTagRule {
  id: ID!
  "RE2, unanchored."
  tagNamePattern: String!
  minimumAccessLevelForPush: ContainerProtectionTagRuleAccessLevel
  minimumAccessLevelForDelete: ContainerProtectionTagRuleAccessLevel
  immutable: Boolean!
  enforcement: ContainerProtectionRuleEnforcement!
}

type ContainerProtectionTagRuleConnection {
  nodes: [ContainerProtectionTagRule!]!
  pageInfo: PageInfo!
}

type ContainerProtectionRepositoryRule {
  id: ID!
  repositoryPathPattern: String!
  minimumAccessLevelForPush: ContainerProtectionRepositoryRuleAccessLevel
  minimumAccessLevelForDelete: ContainerProtectionRepositoryRuleAccessLevel
  enforcement: ContainerProtectionRuleEnforcement!
}

type ContainerProtectionRepositoryRuleConnection {
  nodes: [ContainerProtectionRepositoryRule!]!
  pageInfo: PageInfo!
}

"Without levels the rule is immutable."
input createContainerProtectionTagRuleInput {
  clientMutationId: String
  projectPath: ID!
  tagNamePattern: String!
  minimumAccessLevelForPush: ContainerProtectionTagRuleAccessLevel
  minimumAccessLevelForDelete: ContainerProtectionTagRuleAccessLevel
  immutable: Boolean
  enforcement: ContainerProtectionRuleEnforcement
}

"What is not mentioned stays; a level that is null is unset."
input UpdateContainerProtectionTagRuleInput {
  clientMutationId: String
  id: ID!
  tagNamePattern: String
  minimumAccessLevelForPush: ContainerProtectionTagRuleAccessLevel
  minimumAccessLevelForDelete: ContainerProtectionTagRuleAccessLevel
  immutable: Boolean
  enforcement: ContainerProtectionRuleEnforcement
}

input CreateContainerProtectionRepositoryRuleInput {
  clientMutationId: String
  projectPath: ID!
  repositoryPathPattern: String!
  minimumAccessLevelForPush: ContainerProtectionRepositoryRuleAccessLevel
  minimumAccessLevelForDelete: ContainerProtectionRepositoryRuleAccessLevel
  enforcement: ContainerProtectionRuleEnforcement
}

"What is not mentioned stays; a level that is null is unset."
input UpdateContainerProtectionRepositoryRuleInput {
  clientMutationId: String
  id: ID!
  repositoryPathPattern: String
  minimumAccessLevelForPush: ContainerProtectionRepositoryRuleAccessLevel
  minimumAccessLevelForDelete: ContainerProtectionRepositoryRuleAccessLevel
  enforcement: ContainerProtectionRuleEnforcement
}
${['Tag', 'Repository'].map(deleteInputAndPayloads).join('')}`;

function deleteInputAndPayloads(kind: string): string {
  const payloads = ['Create', 'Update', 'Delete'].map(
    (verb) => `
type ${verb}ContainerProtection${kind}RulePayload {
  clientMutationId: String
  containerProtection${kind}Rule: ContainerProtection${kind}Rule
  "Why nothing was changed."
  errors: [String!]!
}
`,
  );
  return `
input DeleteContainerProtection${kind}RuleInput {
  clientMutationId: String
  id: ID!
}
${payloads.join('')}`;
}
