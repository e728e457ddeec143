import { mayAct } from '../../core/api-access.ts';
import { ChangeRefused } from '../../core/managed-input.ts';
import { isRepository } from '../../core/reference.ts';
import type { Managed } from '../../core/rule.ts';
import { notAvailable } from './graphql-failures.ts';
import { ruleNumberIn, type Model } from './graphql-ids.ts';
import type { GraphqlSession } from './graphql-session.ts';
import type { ApiPorts } from './ports.ts';
import { RuleActions } from './rule-actions.ts';
import type { RuleKind } from './rule-kinds.ts';
import type { RepositoryRuleObject, TagRuleObject } from './rule-objects.ts';

interface Mutated {
  readonly clientMutationId?: string | null;
}
type ToCreate<Given> = Mutated & Given & { readonly projectPath: string };
type ToUpdate<Given> = Mutated & Given & { readonly id: string };
type ToDelete = Mutated & { readonly id: string };

/** How one kind of rules is said in GraphQL. */
export interface RuleForm<Given, Input, Shown> {
  /** As a payload names the rule. */
  readonly field: string;
  readonly model: Model;
  readonly inputOf: (given: Given) => Input;
  readonly nodeOf: (shown: Shown) => object;
}

/** The mutations of one kind of rules: what may be changed, and how, is REST's. */
export class RuleMutations<
  Given extends object,
  Input,
  Rule extends { readonly managed: Managed },
  Shown extends RepositoryRuleObject | TagRuleObject,
> {
  readonly #form: RuleForm<Given, Input, Shown>;
  readonly #kind: RuleKind<Input, Rule, Shown>;
  readonly #managed: ApiPorts['managed'];
  readonly #actions: RuleActions<Input, Rule, Shown>;

  constructor(
    form: RuleForm<Given, Input, Shown>,
    kind: RuleKind<Input, Rule, Shown>,
    ports: Pick<ApiPorts, 'managed' | 'onChange' | 'log'>,
  ) {
    this.#form = form;
    this.#kind = kind;
    this.#managed = ports.managed;
    this.#actions = new RuleActions(kind, ports);
  }

  async create({ by, caller }: GraphqlSession, given: ToCreate<Given>): Promise<object> {
    const project = given.projectPath.toLowerCase();
    if (!isRepository(project) || !mayAct(caller, 'write', project)) throw notAvailable();
    return await this.#payload(given, () => this.#actions.create(by, project, this.#form.inputOf(given)));
  }

  async update(session: GraphqlSession, given: ToUpdate<Given>): Promise<object> {
    const { number, project } = await this.#find(session, given.id);
    return this.#payload(given, () =>
      this.#actions.update(session.by, project, number, this.#form.inputOf(given)),
    );
  }

  async delete(session: GraphqlSession, given: ToDelete): Promise<object> {
    const { number, project } = await this.#find(session, given.id);
    return this.#payload(given, () => this.#actions.delete(session.by, project, number));
  }

  async #find({ caller }: GraphqlSession, id: string): Promise<Managed> {
    const number = ruleNumberIn(id, this.#form.model);
    const rules = this.#kind.rulesOf(await this.#managed.state());
    const managed = rules.find((rule) => rule.managed.number === number)?.managed;
    if (!managed || !mayAct(caller, 'write', managed.project)) throw notAvailable();
    return managed;
  }

  async #payload({ clientMutationId }: Mutated, act: () => Promise<Shown>): Promise<object> {
    const { field, nodeOf } = this.#form;
    try {
      return { clientMutationId, [field]: nodeOf(await act()), errors: [] };
    } catch (error) {
      if (!(error instanceof ChangeRefused)) throw error;
      return { clientMutationId, [field]: null, errors: error.messages };
    }
  }
}
