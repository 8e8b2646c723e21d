import fc from 'fast-check';

/** A red run then says something about the change: the same cases ran before it. */
const RECORDED_SEED = 20_260_301;

const chosen = process.env['PROPERTY_SEED'];
if (chosen !== undefined && !/^-?\d{1,10}$/.test(chosen))
  throw new Error(`PROPERTY_SEED must be a whole number, got ${JSON.stringify(chosen)}`);

/** Every property runs from this seed unless it names one of its own; campaigns choose another. */
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: chosen === undefined ? RECORDED_SEED : Number(chosen) });
