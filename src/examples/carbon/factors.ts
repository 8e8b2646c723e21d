import { averageIntensity } from '@tgwf/co2';

/** Source of the factors, to be cited with every figure that is derived from them. */
export const SOURCE = '@tgwf/co2, average grid intensity (Ember)';

const isCountry = (code: string): boolean => /^[A-Z]{3}$/.test(code);

/** ISO 3166 alpha-3 codes of the countries that have a factor, in alphabetical order. */
export const COUNTRIES: readonly string[] = Object.entries(averageIntensity.data)
  .filter(([code, grams]) => isCountry(code) && grams > 0)
  .map(([code]) => code)
  .sort();

/** Grams of CO2 equivalent per kWh of a country's grid; undefined when none is known. */
export const emissionFactor = (country: string): number | undefined => {
  const grams = isCountry(country) ? averageIntensity.data[country] : undefined;
  return grams !== undefined && grams > 0 ? grams : undefined;
};

/** Tonnes of CO2 equivalent, to the gram. */
export const tonnesOf = (kWh: number, gCO2PerKWh: number): number => Math.round(kWh * gCO2PerKWh) / 1e6;

/** Coal-only grids are around 1,000 g/kWh; above 1.5 times that, the unit is wrong. */
const MAX_PLAUSIBLE_GRAMS = 1_500;

export const isPlausibleFactor = (gCO2PerKWh: number): boolean => gCO2PerKWh > 0 && gCO2PerKWh <= MAX_PLAUSIBLE_GRAMS;
