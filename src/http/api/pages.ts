import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type, type Static } from 'typebox';
import { ApiRefusal } from './refusals.ts';

const sizeByDefault = 20;
const sizeLimit = 100;

export const pageQuery = Type.Object({
  page: Type.Optional(Type.Integer({ description: 'From 1.' })),
  per_page: Type.Optional(
    Type.Integer({ description: `At most ${sizeLimit}; ${sizeByDefault} where only a page is given.` }),
  ),
});

/**
 * One page of a list, with GitLab's headers; the whole list where no page is asked for. GitLab itself has these lists
 * in one piece, and a client that follows no pages must not take the first for all rules.
 * @throws ApiRefusal
 */
export function pageOf<Item>(
  items: readonly Item[],
  request: FastifyRequest,
  reply: FastifyReply,
): readonly Item[] {
  const { page: asked, per_page: askedSize } = request.query as Static<typeof pageQuery>;
  if (askedSize !== undefined && askedSize < 1) {
    throw new ApiRefusal(400, { error: 'per_page has a value not allowed' });
  }
  const isWhole = asked === undefined && askedSize === undefined;
  const size = isWhole ? Math.max(items.length, 1) : Math.min(askedSize ?? sizeByDefault, sizeLimit);
  const page = Math.max(asked ?? 1, 1);
  const pages = Math.max(Math.ceil(items.length / size), 1);
  const previous = page > 1 && page <= pages + 1 ? page - 1 : undefined;
  const next = page < pages ? page + 1 : undefined;
  void reply.headers({
    'X-Total': items.length,
    'X-Total-Pages': pages,
    'X-Page': page,
    'X-Per-Page': size,
    'X-Prev-Page': previous ?? '',
    'X-Next-Page': next ?? '',
  });
  if (!isWhole) {
    const rels = { prev: previous, next, first: 1, last: pages };
    void reply.header('Link', links(request, rels, size));
  }
  return items.slice((page - 1) * size, page * size);
}

function links(
  { url, headers }: FastifyRequest,
  rels: Readonly<Record<string, number | undefined>>,
  size: number,
): string {
  // Whoever forges these gets a link of their own making; over https none must lead back to http, for a token goes with it.
  const scheme = headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  const [path = ''] = url.split('?');
  return Object.entries(rels)
    .filter(([, page]) => page !== undefined)
    .map(
      ([rel, page]) =>
        `<${scheme}://${headers.host ?? ''}${path}?page=${page}&per_page=${size}>; rel="${rel}"`,
    )
    .join(', ');
}
