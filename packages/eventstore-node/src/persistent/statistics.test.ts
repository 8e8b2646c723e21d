import { describe, expect, it } from 'vitest';
import { Latencies } from './latencies.ts';
import { Throughput } from './throughput.ts';

describe('throughput', () => {
  it('is counted in total and since the last call', () => {
    const throughput = new Throughput(10_000);
    for (let i = 0; i < 30; i++) throughput.count();
    expect(throughput.read(12_000)).toEqual({ total: 30, sinceLast: 30, averagePerSecond: 15 });
    throughput.count();
    expect(throughput.read(12_500)).toEqual({ total: 31, sinceLast: 1, averagePerSecond: 2 });
  });

  it('is 0 the second time when it is read twice at once', () => {
    const throughput = new Throughput(0);
    throughput.count();
    expect(throughput.read(0)).toEqual({ total: 1, sinceLast: 1, averagePerSecond: 0 });
    expect(throughput.read(0)).toEqual({ total: 1, sinceLast: 0, averagePerSecond: 0 });
  });
});

describe('latencies', () => {
  it('are reported under the names of the real server', () => {
    const latencies = new Latencies();
    for (let ms = 100; ms >= 1; ms--) latencies.add(ms);
    expect(Object.fromEntries(latencies.measurements())).toEqual({
      Mean: 51,
      Median: 50,
      Fastest: 1,
      'Quintile 1': 20,
      'Quintile 2': 40,
      'Quintile 3': 60,
      'Quintile 4': 80,
      'Quintile 5': 100,
      '90%': 90,
      '95%': 95,
      '99%': 99,
      '99.5%': 100,
      '99.9%': 100,
      Highest: 100,
    });
  });

  it('cover the newest messages only', () => {
    const latencies = new Latencies();
    for (let n = 0; n < 1_000; n++) latencies.add(500);
    for (let n = 0; n < 1_000; n++) latencies.add(7);
    expect(Object.fromEntries(latencies.measurements())).toMatchObject({ Fastest: 7, Highest: 7 });
  });

  it('are 0 before there are any', () => {
    expect(new Set(new Latencies().measurements().map(([, ms]) => ms))).toEqual(new Set([0]));
  });
});
