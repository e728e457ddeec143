import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import type { Logger } from 'pino';
import { NotManaged } from '../../core/managed-rules.ts';
import { StoreAway } from '../../core/ports.ts';

/** Why there is no value; its words are for the caller. */
export class GraphqlRefusal extends Error {
  override readonly name = 'GraphqlRefusal';
}

/** In GitLab's words. INVARIANT: what is not the caller's is answered like what does not exist. */
export function notAvailable(): GraphqlRefusal {
  return new GraphqlRefusal(
    "The resource that you are attempting to access does not exist or you don't have permission to perform this action",
  );
}

/** Makes of errors what is answered, and logs what is nobody's business but ours. */
export class GraphqlErrors {
  readonly #log: Logger;
  readonly #mayTellSchema: boolean;

  constructor(log: Logger, mayTellSchema: boolean) {
    this.#log = log;
    this.#mayTellSchema = mayTellSchema;
  }

  /** Of an operation that was begun. */
  formatted = (error: GraphQLError): GraphQLFormattedError => {
    const { locations, path } = error;
    return { message: this.#wordsOf(error), ...(locations && { locations }), ...(path && { path }) };
  };

  /** Of an operation that was not: it may be several errors. Undefined: it is not the caller's fault. */
  ofRefused(error: unknown): readonly GraphQLFormattedError[] | undefined {
    if (error instanceof GraphqlRefusal) return [{ message: error.message }];
    if (error instanceof GraphQLError) return [this.formatted(error)];
    // So does mercurius collect what is wrong with a query.
    const { errors } = error as { readonly errors?: unknown };
    if (!Array.isArray(errors)) return undefined;
    return (errors as Error[]).map((each) =>
      each instanceof GraphQLError ? this.formatted(each) : { message: each.message },
    );
  }

  #wordsOf(error: GraphQLError): string {
    const cause = causeOf(error);
    if (cause === undefined) return this.#withoutSuggestion(error.message);
    if (cause instanceof GraphqlRefusal) return cause.message;
    if (cause instanceof NotManaged) return notAvailable().message;
    if (cause instanceof StoreAway)
      return 'What keeps the rules is away; look at the rules before you try again';
    this.#log.error({ err: cause }, 'the management API failed');
    return 'Internal server error';
  }

  /** A guess at the right name would give the schema away, one name after the other. */
  #withoutSuggestion(message: string): string {
    return this.#mayTellSchema ? message : message.replace(/ Did you mean .*$/s, '');
  }
}

/** Undefined where it is GraphQL itself that refuses: it wraps its own errors again. */
function causeOf(error: GraphQLError): Error | undefined {
  const { originalError } = error;
  return originalError instanceof GraphQLError ? causeOf(originalError) : originalError;
}
