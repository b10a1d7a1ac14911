-- Run after every migration, by the owner: what is refused for every row is nobody's right either. The owner keeps his,
-- for he could take them back; a later migration may need them.
DO $$
DECLARE
  held record;
BEGIN
  FOR held IN
    SELECT DISTINCT t.tgrelid::regclass AS kept, op.name, acl.grantee
    FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid AND c.relnamespace = current_schema()::regnamespace
    -- tgtype's bits; a trigger with a condition, or for some columns alone, does not refuse every row.
    CROSS JOIN LATERAL (VALUES (8, 'DELETE'), (16, 'UPDATE'), (32, 'TRUNCATE')) AS op (bit, name)
    CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
    WHERE t.tgfoid = 'refuse_change'::regproc AND t.tgqual IS NULL AND t.tgattr = '' AND t.tgtype & op.bit <> 0
      AND acl.privilege_type = op.name AND acl.grantee <> c.relowner
    UNION ALL
    SELECT c.oid::regclass, acl.privilege_type, acl.grantee
    FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
    WHERE c.oid = 'migration'::regclass AND acl.privilege_type <> 'SELECT' AND acl.grantee <> c.relowner
  LOOP
    EXECUTE format('REVOKE %s ON %s FROM %s', held.name, held.kept,
      CASE held.grantee WHEN 0 THEN 'PUBLIC' ELSE held.grantee::regrole::text END);
  END LOOP;
END $$;
