import { AggregatorRegistry } from 'prom-client';
import { families, familyOf, type Family } from '../core/metric-families.ts';
import { readSeries, type Measures } from '../core/series.ts';

interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Absent: that of the family. */
  readonly metricName?: string;
}

/** As Registry.getMetricsAsJSON() of prom-client has them. */
interface Metric extends Pick<Family, 'type' | 'help'> {
  readonly name: string;
  readonly aggregator: 'sum';
  readonly values: Sample[];
}

/** The text that Prometheus reads. This module is loaded when somebody asks for it. */
export async function exposition({
  counts,
  levels,
}: Measures): Promise<{ readonly text: string; readonly contentType: string }> {
  const metrics = new Map<string, Metric>();
  const order = Object.keys(families);
  for (const [series, value] of Object.entries({ ...counts, ...levels })) {
    const { name: counted, values } = readSeries(series);
    const [name, { type, help, labels = [] }] = familyOf(counted);
    const metric = metrics.get(name) ?? {
      name: `tagwarden_${name}`,
      type,
      help,
      aggregator: 'sum',
      values: [],
    };
    metrics.set(name, metric);
    const named = Object.fromEntries(labels.map((label, at) => [label, values[at] ?? '']));
    if (type === 'histogram') metric.values.push(...ofBound(metric.name, named, values.at(-1) ?? '', value));
    else metric.values.push({ value, labels: named });
  }
  const sorted = [...metrics].sort(([one], [next]) => order.indexOf(one) - order.indexOf(next));
  const registry = AggregatorRegistry.aggregate([sorted.map(([, metric]) => metric)]);
  return { text: await registry.metrics(), contentType: registry.contentType };
}

function ofBound(name: string, labels: Sample['labels'], bound: string, value: number): readonly Sample[] {
  if (bound === 'sum') return [{ value, labels, metricName: `${name}_sum` }];
  const bucket = { value, labels: { ...labels, le: bound }, metricName: `${name}_bucket` };
  return bound === '+Inf' ? [bucket, { value, labels, metricName: `${name}_count` }] : [bucket];
}
