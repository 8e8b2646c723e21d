import { describe, expect, it } from 'vitest';
import { COUNTRIES, emissionFactor, tonnesOf } from './factors.ts';
import { generateSuppliers } from './suppliers.ts';

describe('generated suppliers', () => {
  it('are the same for the same seed, and differ between seeds', () => {
    expect(generateSuppliers(42, 100)).toEqual(generateSuppliers(42, 100));
    expect(generateSuppliers(42, 100)).not.toEqual(generateSuppliers(43, 100));
    expect(generateSuppliers(42, 100).slice(0, 10)).toEqual(generateSuppliers(42, 10));
  });

  it('have unique names, countries with a factor, and plausible energy', () => {
    const suppliers = generateSuppliers(1, 5_000);
    expect(new Set(suppliers.map(({ supplier }) => supplier)).size).toBe(5_000);
    for (const { country, kWh } of suppliers) {
      expect(emissionFactor(country)).toBeGreaterThan(0);
      expect(kWh).toBeGreaterThanOrEqual(1_000);
      expect(kWh).toBeLessThanOrEqual(10_000_000);
    }
    expect(new Set(suppliers.map(({ country }) => country)).size).toBeGreaterThan(COUNTRIES.length * 0.9);
  });
});

describe('emission factors', () => {
  it('are found by country code only, not by region or another spelling', () => {
    expect(emissionFactor('DEU')).toBeGreaterThan(100);
    for (const code of ['EU', 'WORLD', 'deu', 'XXX', 'CAF', '__proto__', 'constructor'])
      expect(emissionFactor(code)).toBeUndefined();
  });

  it('give tonnes with a precision of one gram', () => {
    expect(tonnesOf(1_000, 342.06)).toBe(0.34206);
  });
});
