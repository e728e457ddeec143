import type { Channel, Served } from './channel.ts';

/** Every method of a port, so that the compiler misses none. */
export type MethodsOf<Port> = Readonly<Record<keyof Port & string, true>>;

/** What can be asked for from afar: it answers later, and with what can be copied. */
type Remote<Port> = { readonly [Method in keyof Port]: (...args: never[]) => Promise<unknown> };

/** A port of this process, for the other end of a channel. */
export function served<Port extends Remote<Port>>(port: Port, methods: MethodsOf<Port>): Served {
  return Object.fromEntries(
    namesOf(methods).map((name) => [
      name,
      (...args: readonly unknown[]): unknown => Reflect.apply(port[name], port, args),
    ]),
  );
}

/** A port of the other end of a channel: every method throws StoreAway besides. */
export function remote<Port extends Remote<Port>>(
  channel: Channel,
  name: string,
  methods: MethodsOf<Port>,
): Port {
  const asking = namesOf(methods).map((method) => [
    method,
    (...args: readonly unknown[]): Promise<unknown> => channel.ask(name, method, args),
  ]);
  // INVARIANT: these are all methods of the port, and what is served by this name is one.
  return Object.fromEntries(asking) as Port;
}

function namesOf<Port>(methods: MethodsOf<Port>): readonly (keyof Port & string)[] {
  return Object.keys(methods) as (keyof Port & string)[];
}
