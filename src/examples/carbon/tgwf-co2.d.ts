/** The package has no types. This declares the part that we use. */
declare module '@tgwf/co2' {
  /** Average intensity of a country's grid in grams of CO2 equivalent per kWh, by ISO 3166 alpha-3 code or name of a region. */
  export const averageIntensity: { readonly data: Readonly<Record<string, number>>; readonly type: string };
}
