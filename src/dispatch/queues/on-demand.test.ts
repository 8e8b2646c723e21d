import { beforeEach, describe, expect, it } from 'vitest';
import { type FakeClock, fakeClock } from '../../../test/support/fake-ports.ts';
import { type AwakeWorker, OnDemandWorker, type Told } from './on-demand.ts';

const WAIT_MS = 5_000;

let clock: FakeClock;
let opened: { readonly told: Told; holdsJobs: boolean; closed: boolean }[];
let hear: () => void;
let isListening: boolean;
let worker: OnDemandWorker;

beforeEach(() => {
  clock = fakeClock();
  opened = [];
  worker = new OnDemandWorker(clock, (told): AwakeWorker => {
    const awake = {
      told,
      holdsJobs: false,
      closed: false,
      pause: async () => {},
      close: async () => {
        awake.closed = true;
      },
    };
    opened.push(awake);
    return awake;
  }).listen((listener) => {
    hear = listener;
    isListening = true;
    return () => {
      isListening = false;
    };
  });
});

/** As the worker of the queue does that finds nothing: it waits, and asks again. */
const findNothing = async (times: number): Promise<void> => {
  for (let wait = 0; wait < times; wait += 1) {
    const waited = opened.at(-1)?.told.wait(WAIT_MS);
    clock.advance(WAIT_MS);
    await waited;
  }
};

describe('a worker on demand', () => {
  it('is opened with the first word, and not again while it is awake', () => {
    expect(opened).toHaveLength(0);
    hear();
    hear();
    expect(opened).toHaveLength(1);
  });

  it('does nothing more once it was paused or closed', async () => {
    await worker.pause();
    hear();
    await worker.close({ abandon: false });
    hear();
    expect(opened).toHaveLength(0);
    expect(isListening).toBe(false);
  });

  it('falls asleep when it has found nothing for half a minute, until the next word', async () => {
    hear();
    await findNothing(5);
    expect(opened[0]?.closed).toBe(false);
    await findNothing(1);
    expect(opened[0]?.closed).toBe(true);
    hear();
    expect(opened).toHaveLength(2);
    expect(opened[1]?.closed).toBe(false);
  });

  it('stays awake as long as it holds jobs, or is told of more', async () => {
    hear();
    (opened[0] as { holdsJobs: boolean }).holdsJobs = true;
    await findNothing(20);
    (opened[0] as { holdsJobs: boolean }).holdsJobs = false;
    hear();
    await findNothing(6);
    expect(opened[0]?.closed).toBe(false);
    await findNothing(1);
    expect(opened[0]?.closed).toBe(true);
  });

  it('asks at once when it was told of a job before it waits', async () => {
    hear();
    hear();
    await opened[0]?.told.wait(WAIT_MS);
  });

  it('closes what is awake', async () => {
    hear();
    await worker.close({ abandon: true });
    expect(opened[0]?.closed).toBe(true);
  });
});
