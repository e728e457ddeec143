import type { Dispatcher } from 'undici';
import type { HeaderList } from '../core/header-list.ts';

/** undici takes a Content-Length on these for a promise of a body that does not come. */
export function isBodyless(status: number): boolean {
  return status === 204 || status === 304;
}

/** undici's parsed headers fold repeated fields; these are as they came. */
export function rawHeadersOf(controller: Dispatcher.DispatchController): HeaderList {
  const raw = controller.rawHeaders;
  if (!Array.isArray(raw)) return [];
  return raw.map((field) => (typeof field === 'string' ? field : field.toString('latin1')));
}
