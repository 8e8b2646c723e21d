-- breaking: no
-- Up Migration

-- From this build on, read models are created from their declarations in the code; migrations hold only what is durable. What
-- migrations 0002 and 0004 created stays, with its rows and checkpoints. Only a database that has seen no event drops its empty
-- read models here, so that the build creates them from the declarations.
--
-- The procedures baton.create_*_v* stay too: a process of the build before, still running, may call them.
LOCK TABLE baton.checkpoints IN SHARE ROW EXCLUSIVE MODE;

DO $$
DECLARE
  projection record;
BEGIN
  IF EXISTS (SELECT FROM baton.checkpoints WHERE position >= 0 OR status <> 'live') THEN
    RETURN;
  END IF;
  FOR projection IN SELECT name, version FROM baton.checkpoints LOOP
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', format('rm_%s_v%s', projection.name, projection.version));
  END LOOP;
  DELETE FROM baton.checkpoints;
END $$;
