import { Counter, type CounterConfiguration, Histogram, type HistogramConfiguration } from 'prom-client'

/**
 * Metrics that every request touches. Values are gathered here and handed to prom-client many at a time, and all of them
 * whenever it is asked: one by one amid the work of a request they cost several times what they cost in a row.
 */

/** Seconds of one set of labels that wait to be handed over. */
const mostGathered = 256

/** Counts one, under the values of the labels in the order of `labelNames`. */
export function gatheringCounter(configuration: CounterConfiguration<string>): (...values: string[]) => void {
  const sets = createLabelSets(configuration, () => ({ count: 0 }))
  const counter = new Counter({
    ...configuration,
    collect() {
      for (const { labels, kept } of sets.all()) {
        counter.inc(labels, kept.count)
        kept.count = 0
      }
    },
  })
  return (...values) => {
    sets.of(values).kept.count += 1
  }
}

/** Observes seconds, under the values of the labels in the order of `labelNames`. */
export function gatheringHistogram(
  configuration: HistogramConfiguration<string>,
): (seconds: number, ...values: string[]) => void {
  const sets = createLabelSets(configuration, () => ({ seconds: new Float64Array(mostGathered), count: 0 }))
  const histogram = new Histogram({
    ...configuration,
    collect() {
      for (const set of sets.all()) handOver(set)
    },
  })
  const handOver = ({ labels, kept }: LabelSet<{ readonly seconds: Float64Array; count: number }>) => {
    for (const seconds of kept.seconds.subarray(0, kept.count)) histogram.observe(labels, seconds)
    kept.count = 0
  }
  return (seconds, ...values) => {
    const set = sets.of(values)
    set.kept.seconds[set.kept.count] = seconds
    set.kept.count += 1
    if (set.kept.count === mostGathered) handOver(set)
  }
}

interface LabelSet<Kept> {
  readonly labels: Record<string, string>
  readonly kept: Kept
}

/** As many as there are series: labels have values of the configuration and of HTTP. */
function createLabelSets<Kept>({ labelNames = [] }: { labelNames?: readonly string[] }, keep: () => Kept) {
  const sets = new Map<string, LabelSet<Kept>>()
  return {
    all: () => sets.values(),
    of(values: readonly string[]): LabelSet<Kept> {
      const key = values.join('\n')
      const known = sets.get(key)
      if (known !== undefined) return known
      const labels = Object.fromEntries(labelNames.map((name, index) => [name, values[index] ?? '']))
      const set = { labels, kept: keep() }
      sets.set(key, set)
      return set
    },
  }
}
