import pg from 'pg';
import type { Logger } from '../platform/logger.ts';
import { migrate } from '../platform/migrate.ts';
import { projectors } from './registry.ts';
import { createMissingReadModels } from './runner/checkpoint.ts';

/**
 * Brings a database to what this build needs: migrations for what is durable, declarations (`defineTable`) for read models. Read models
 * that exist are left as they are, whatever their version: the runner decides when to rebuild one.
 *
 * Errors: those of `migrate`.
 */
export const prepareDatabase = async (databaseUrl: string, logger: Logger): Promise<void> => {
  await migrate(databaseUrl, logger);
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1, application_name: 'baton-prepare' });
  try {
    const created = await createMissingReadModels(pool, projectors);
    if (created.length > 0) logger.info({ projections: created }, 'read models created');
  } finally {
    await pool.end();
  }
};
