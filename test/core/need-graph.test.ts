import t from 'tap';
import { NeedGraph } from '../../src/core/need-graph.ts';
import type { Digest, Tag } from '../../src/core/reference.ts';

const digest = (name: string) => `sha256:${name}` as Digest;
const tag = (name: string) => name as Tag;

function tagsNeeding(graph: NeedGraph, ...names: readonly string[]): readonly string[] {
  return [...graph.tagsNeeding(names.map(digest))].map(({ tag, isReferrer }) =>
    isReferrer ? `${tag} by a referrer` : tag,
  );
}

t.test('a tag needs its manifest and all parts at any depth', (t) => {
  const graph = new NeedGraph();
  graph.point(tag('v1'), digest('index'));
  graph.need(digest('index'), [digest('inner'), digest('image')]);
  graph.need(digest('inner'), [digest('image')]);
  graph.need(digest('image'), [digest('config'), digest('layer')]);
  for (const name of ['index', 'inner', 'image', 'config', 'layer']) t.same(tagsNeeding(graph, name), ['v1']);
  t.same(tagsNeeding(graph, 'another'), []);
  t.end();
});

t.test('every tag that shares a part is named once', (t) => {
  const graph = new NeedGraph();
  for (const name of ['v1', 'v2']) {
    graph.point(tag(name), digest(name));
    graph.point(tag(`${name}-too`), digest(name));
    graph.need(digest(name), [digest('base')]);
  }
  t.same(tagsNeeding(graph, 'base'), ['v1', 'v1-too', 'v2', 'v2-too']);
  t.same(tagsNeeding(graph, 'base', 'v1'), ['v1', 'v1-too', 'v2', 'v2-too']);
  t.end();
});

t.test(
  'what refers to something is there for its sake, and so are its parts, and what refers to them',
  (t) => {
    const graph = new NeedGraph();
    graph.point(tag('v1'), digest('index'));
    graph.need(digest('index'), [digest('image')]);
    graph.refer(digest('signature'), [digest('image')]);
    graph.need(digest('signature'), [digest('payload')]);
    graph.refer(digest('countersignature'), [digest('signature')]);
    for (const name of ['signature', 'payload', 'countersignature']) {
      t.same(tagsNeeding(graph, name), ['v1 by a referrer']);
    }
    t.same(tagsNeeding(graph, 'image'), ['v1'], 'and not the other way round');
    graph.point(tag('kept'), digest('signature'));
    t.same(tagsNeeding(graph, 'payload'), ['kept', 'v1 by a referrer'], 'parts come first');
    t.end();
  },
);

t.test('a graph over another one: what is known to both counts, and what is below stays as it is', (t) => {
  const base = new NeedGraph();
  base.point(tag('v1'), digest('image'));
  base.need(digest('image'), [digest('layer')]);
  const own = new NeedGraph(base);
  own.point(tag('v2'), digest('new'));
  own.need(digest('new'), [digest('layer'), digest('config')]);
  own.refer(digest('signature'), [digest('image')]);
  t.same(new Set(tagsNeeding(own, 'layer')), new Set(['v1', 'v2']));
  t.same(tagsNeeding(own, 'signature'), ['v1 by a referrer']);
  t.same(tagsNeeding(base, 'layer'), ['v1']);
  t.same(tagsNeeding(base, 'signature'), []);
  t.end();
});

t.test('circles, which only somebody who lies about digests could make, come to an end', (t) => {
  const graph = new NeedGraph();
  graph.need(digest('a'), [digest('b')]);
  graph.need(digest('b'), [digest('a')]);
  graph.refer(digest('a'), [digest('b')]);
  graph.refer(digest('b'), [digest('a')]);
  t.same(tagsNeeding(graph, 'a'), []);
  t.end();
});
