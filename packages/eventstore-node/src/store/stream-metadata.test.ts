import { describe, expect, it } from 'vitest';
import { NO_METADATA, parseStreamMetadata, undeletedMetadata } from './stream-metadata.ts';

const parsed = (json: string) => parseStreamMetadata(Buffer.from(json));
const undeleted = (json: string, truncateBefore: number) =>
  undeletedMetadata(Buffer.from(json), truncateBefore).toString();

describe('metadata of a stream', () => {
  it('limits which events are readable', () => {
    expect(parsed('{"$maxCount":3,"$maxAge":60,"$tb":7,"$cacheControl":5,"$tmp":true,"custom":{"$tb":1}}')).toEqual({
      ...NO_METADATA,
      maxCount: 3,
      maxAgeMs: 60_000,
      truncateBefore: 7,
    });
  });

  it.each(['', 'x', '[]', 'null', '"$tb"', '{"$tb":1', '{"a":{"$tb":1}}'])('%s sets nothing', (json) => {
    expect(parsed(json)).toEqual(NO_METADATA);
  });

  it.each([
    '{"$maxCount":0,"$tb":3}',
    '{"$maxCount":-1}',
    '{"$maxCount":"5"}',
    '{"$maxCount":5.0}',
    '{"$maxCount":5e0}',
    '{"$maxCount":null}',
    '{"$maxCount":[5]}',
    '{"$maxCount":9223372036854775808}',
    '{"$maxAge":0.5,"$tb":3}',
    '{"$tb":-1,"$maxCount":1}',
    '{"$tb":"9223372036854775807"}',
    '{"$tb":9223372036854776000}',
    '{"$tmp":"yes","$tb":3}',
    '{"$cacheControl":0,"$tb":3}',
  ])('%s sets nothing, because a known key has an invalid value', (json) => {
    expect(parsed(json)).toEqual(NO_METADATA);
  });

  it('enforces its ACL even if its limits are not valid', () => {
    expect(parsed('{"$maxCount":"5","$acl":{"$r":"$admins"}}')).toEqual({ ...NO_METADATA, acl: { read: ['$admins'] } });
  });

  it('deletes the stream with exactly 2^63-1 as $tb', () => {
    expect(parsed('{ "$tb" : 9223372036854775807 }').softDeleted).toBe(true);
    expect(parsed('{"$tb":9223372036854775806}')).toMatchObject({ softDeleted: false, truncateBefore: 2 ** 63 });
  });

  it.each([
    ['{"$tb":1,"a":"$tb","$tb":2}', 2],
    ['{"\\u0024tb":4}', 4],
    ['{"a":"\\"$tb\\":9,","$tb":5,"b":[{"$tb":6}]}', 5],
    [`{"a":"${'x'.repeat(200_000)}","$tb":5}`, 5],
  ])('is found in any position', (json, truncateBefore) => {
    expect(parsed(json).truncateBefore).toBe(truncateBefore);
  });
});

describe('metadata that brings a stream back', () => {
  it.each([
    ['{"big":12345678901234567890,"$tb":9223372036854775807}', '{"big":12345678901234567890,"$tb":5}'],
    ['{"big":1.0}', '{"big":1.0,"$tb":5}'],
    ['{"a":{"b":1}} \n', '{"a":{"b":1},"$tb":5}'],
    ['{"$tb":"x","a":1}', '{"$tb":5,"a":1}'],
    ['{}', '{"$tb":5}'],
    ['no json', '{"$tb":5}'],
    ['{"__proto__":{"x":1},"$tb":3}', '{"__proto__":{"x":1},"$tb":5}'],
  ])('%s becomes %s', (previous, next) => {
    expect(undeleted(previous, 5)).toBe(next);
  });
});
