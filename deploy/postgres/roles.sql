-- Who may do what in Relief's database.
--
-- A superuser runs this in that database before the first migration; to run it again changes nothing. It sets no
-- passwords: `\password relief_payments` and so on does, with SCRAM-SHA-256. pg_hba.conf should let each of these roles
-- into this database alone.
--
--   relief_owner                          owns the schemas and all in them; applies the migrations, and nothing else
--   relief_payments, _holdover, _ledger   one service each: reads and writes rows of its own schema, and defines nothing
--   relief_operator                       reads every schema

DO $$
DECLARE
  one text;
BEGIN
  FOREACH one IN ARRAY ARRAY['relief_owner', 'relief_payments', 'relief_holdover', 'relief_ledger', 'relief_operator'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = one) THEN
      EXECUTE format('CREATE ROLE %I', one);
    END IF;
    EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', one);
  END LOOP;
  -- Not even a temporary table: a trigger of one's own on it would run at a depth that the ledger trusts.
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO relief_owner, relief_payments, relief_holdover, relief_ledger,'
    ' relief_operator', current_database());
END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

CREATE SCHEMA IF NOT EXISTS payments AUTHORIZATION relief_owner;
CREATE SCHEMA IF NOT EXISTS holdover AUTHORIZATION relief_owner;
CREATE SCHEMA IF NOT EXISTS ledger AUTHORIZATION relief_owner;
GRANT USAGE ON SCHEMA payments TO relief_payments;
GRANT USAGE ON SCHEMA holdover TO relief_holdover;
GRANT USAGE ON SCHEMA ledger TO relief_ledger;
GRANT USAGE ON SCHEMA payments, holdover, ledger TO relief_operator;

-- For the tables that migrations are still to make. What a table's trigger refuses for every row, each migration takes
-- back from everybody (shared/streaming/rights.sql).
ALTER DEFAULT PRIVILEGES FOR ROLE relief_owner IN SCHEMA payments
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO relief_payments;
ALTER DEFAULT PRIVILEGES FOR ROLE relief_owner IN SCHEMA holdover
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO relief_holdover;
ALTER DEFAULT PRIVILEGES FOR ROLE relief_owner IN SCHEMA ledger
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO relief_ledger;
ALTER DEFAULT PRIVILEGES FOR ROLE relief_owner IN SCHEMA payments, holdover, ledger
  GRANT SELECT ON TABLES TO relief_operator;
