import type { IResolvers, MercuriusContext } from 'mercurius';
import { mayAct } from '../../core/api-access.ts';
import { isRepository } from '../../core/reference.ts';
import { globalId, repositoryIn } from './graphql-ids.ts';
import { RuleMutations } from './graphql-mutations.ts';
import { connectionOf, type PageArguments } from './graphql-pages.ts';
import {
  repositoryRuleInput,
  repositoryRuleModel,
  repositoryRuleNode,
  tagRuleInput,
  tagRuleModel,
  tagRuleNode,
} from './graphql-rules.ts';
import type { GraphqlSession } from './graphql-session.ts';
import { RepositoryNode, type TagPorts } from './graphql-tags.ts';
import type { ApiPorts } from './ports.ts';
import { RuleActions } from './rule-actions.ts';
import { repositoryRules, tagRules } from './rule-kinds.ts';

type Ports = TagPorts & Pick<ApiPorts, 'managed' | 'onChange' | 'log'>;

/** What is below a query's and a mutation's fields, these have as their own. */
export function graphqlResolvers(ports: Ports): IResolvers {
  const ofTag = new RuleMutations(
    {
      ...{ field: 'containerProtectionTagRule', model: tagRuleModel },
      ...{ inputOf: tagRuleInput, nodeOf: tagRuleNode },
    },
    tagRules,
    ports,
  );
  const ofRepository = new RuleMutations(
    {
      ...{ field: 'containerProtectionRepositoryRule', model: repositoryRuleModel },
      ...{ inputOf: repositoryRuleInput, nodeOf: repositoryRuleNode },
    },
    repositoryRules,
    ports,
  );
  return {
    Query: {
      project: (_, { fullPath }: { fullPath: string }, { session }) => projectOf(fullPath, session, ports),
      containerRepository: (_, { id }: { id: string }, { session }) => repositoryOf(id, session, ports),
    },
    Mutation: {
      createContainerProtectionTagRule: mutation(ofTag.create.bind(ofTag)),
      updateContainerProtectionTagRule: mutation(ofTag.update.bind(ofTag)),
      deleteContainerProtectionTagRule: mutation(ofTag.delete.bind(ofTag)),
      createContainerProtectionRepositoryRule: mutation(ofRepository.create.bind(ofRepository)),
      updateContainerProtectionRepositoryRule: mutation(ofRepository.update.bind(ofRepository)),
      deleteContainerProtectionRepositoryRule: mutation(ofRepository.delete.bind(ofRepository)),
    },
  };
}

/** Of inputs that the schema let pass. */
function mutation<Input>(act: (session: GraphqlSession, input: Input) => Promise<object>) {
  return (_: unknown, { input }: { readonly input: Input }, { session }: MercuriusContext) =>
    act(session, input);
}

function repositoryOf(id: string, { caller, repositories }: GraphqlSession, ports: Ports) {
  const repository = repositoryIn(id);
  if (!mayAct(caller, 'read', repository)) return null;
  const node = repositories.get(repository) ?? new RepositoryNode(repository, ports);
  repositories.set(repository, node);
  return node;
}

function projectOf(fullPath: string, { caller }: GraphqlSession, ports: Ports) {
  const path = fullPath.toLowerCase();
  if (!isRepository(path) || !mayAct(caller, 'read', path)) return null;
  return {
    id: globalId('Project', path),
    name: path.slice(path.lastIndexOf('/') + 1),
    fullPath: path,
    containerProtectionTagRules: async (page: PageArguments) =>
      connectionOf(await new RuleActions(tagRules, ports).list(path), byNumber, page, tagRuleNode),
    containerProtectionRepositoryRules: async (page: PageArguments) =>
      connectionOf(
        await new RuleActions(repositoryRules, ports).list(path),
        byNumber,
        page,
        repositoryRuleNode,
      ),
  };
}

/** Texts that have the order of the numbers. */
function byNumber({ id }: { readonly id: number }): string {
  return String(id).padStart(15, '0');
}
