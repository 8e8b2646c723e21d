/**
 * Histogram with fixed logarithmic buckets: four per doubling, from one microsecond to two weeks. A value is at most 19 % above its
 * bucket's lower bound, so a percentile read from it (the geometric middle of the bucket) is off by at most 9 %. Rows do not
 * store the bounds: to change them, raise the version of the projector.
 */
const PER_DOUBLING = 4;
const BUCKETS = 162;

/** Bucket of a duration in microseconds; less than one counts as one. */
export const bucketOf = (us: number): number =>
  Math.min(BUCKETS - 1, Math.max(0, Math.floor(Math.log2(Math.max(us, 1)) * PER_DOUBLING)));

/** A histogram of one value. It ends with that value's bucket: missing elements count as 0. */
export const histogramOf = (us: number): number[] => {
  const histogram = new Array<number>(bucketOf(us) + 1).fill(0);
  histogram[histogram.length - 1] = 1;
  return histogram;
};

/** Estimate of the value, in microseconds, that a share `q` (0 … 1) of the samples does not exceed; undefined without samples. */
export const quantile = (histogram: readonly number[], q: number): number | undefined => {
  const total = histogram.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  const rank = Math.max(1, Math.ceil(q * total));
  let seen = 0;
  const bucket = histogram.findIndex((count) => {
    seen += count;
    return seen >= rank;
  });
  return 2 ** ((bucket + 0.5) / PER_DOUBLING);
};
