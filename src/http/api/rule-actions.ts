import type { ManagedState } from '../../core/managed-rules.ts';
import { StoreAway } from '../../core/ports.ts';
import type { Managed } from '../../core/rule.ts';
import type { ApiPorts, RuleChange } from './ports.ts';
import type { RuleKind } from './rule-kinds.ts';
import type { RepositoryRuleObject, TagRuleObject } from './rule-objects.ts';

/** Who changes a rule, for those who ask later. */
export type By = Pick<RuleChange, 'caller' | 'address'>;
type Ports = Pick<ApiPorts, 'managed' | 'onChange' | 'log'>;

/**
 * What can be done with one kind of rules, in the project of the path. Whether the caller may is judged before.
 * Each method @throws StoreAway; those that change something also ChangeRefused, NotManaged
 */
export class RuleActions<
  Input,
  Rule extends { readonly managed: Managed },
  Shown extends RepositoryRuleObject | TagRuleObject,
> {
  readonly #kind: RuleKind<Input, Rule, Shown>;
  readonly #ports: Ports;

  constructor(kind: RuleKind<Input, Rule, Shown>, ports: Ports) {
    this.#kind = kind;
    this.#ports = ports;
  }

  async list(project: string): Promise<readonly Shown[]> {
    const state = await this.#ports.managed.state();
    const own = this.#kind.rulesOf(state).filter(({ managed }) => managed.project === project);
    return own.map((rule) => this.#kind.show(state, rule)).sort((one, other) => one.id - other.id);
  }

  async create(by: By, project: string, input: Input): Promise<Shown> {
    const { after } = await this.#change(by, 'create', (state) => {
      const [next, rule] = this.#kind.add(state, project, input);
      return { next, after: this.#kind.show(next, rule) };
    });
    return after;
  }

  async update(by: By, project: string, number: number, input: Input): Promise<Shown> {
    const { after } = await this.#change(by, 'update', (state) => {
      const [next, rule] = this.#kind.change(state, project, number, input);
      return { next, before: this.#shown(state, number), after: this.#kind.show(next, rule) };
    });
    return after;
  }

  async delete(by: By, project: string, number: number): Promise<Shown> {
    const { before } = await this.#change(by, 'delete', (state) => {
      const [next, rule] = this.#kind.remove(state, project, number);
      return { next, before: this.#kind.show(state, rule) };
    });
    return before;
  }

  #shown(state: ManagedState, number: number): Shown {
    const before = this.#kind.rulesOf(state).find(({ managed }) => managed.number === number);
    if (!before) throw new Error(`rule ${number} was changed, and was not there`);
    return this.#kind.show(state, before);
  }

  async #change<
    Edit extends { readonly next: ManagedState; readonly before?: Shown; readonly after?: Shown },
  >(by: By, action: RuleChange['action'], edit: (state: ManagedState) => Edit): Promise<Edit> {
    // The last is the one that counts: the store asks again where another change came between.
    const edits: Edit[] = [];
    const tell = ({ before, after }: Edit, outcome?: 'unknown'): void => {
      const shown = { ...(before && { before }), ...(after && { after }), ...(outcome && { outcome }) };
      const change: RuleChange = { at: new Date(), ...by, action, kind: this.#kind.name, ...shown };
      this.#ports.log.info(change, outcome ? 'a rule may have been changed' : 'a rule was changed');
      this.#ports.onChange(change);
    };
    try {
      await this.#ports.managed.change((state) => {
        const made = edit(state);
        edits.push(made);
        return made.next;
      });
    } catch (error) {
      const tried = edits.at(-1);
      // It may be in force all the same, and somebody will ask who it was.
      if (error instanceof StoreAway && tried) tell(tried, 'unknown');
      throw error;
    }
    const made = edits.at(-1);
    if (!made) throw new Error('a change was made without its edit');
    tell(made);
    return made;
  }
}
