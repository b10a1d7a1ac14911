-- What was opened of an account stands, and so does what was approved. Only what they are encrypted under may change, when
-- the vault's key is turned over.
CREATE TRIGGER payee_keeps_its_account BEFORE UPDATE ON payee FOR EACH ROW
  WHEN ((NEW.payment_id, NEW.payee_digest, NEW.bank) IS DISTINCT FROM (OLD.payment_id, OLD.payee_digest, OLD.bank)
    OR split_part(NEW.stored, '.', 2) IS NOT DISTINCT FROM split_part(OLD.stored, '.', 2))
  EXECUTE FUNCTION refuse_because('an opened account changes only the key it is stored under');
CREATE TRIGGER payee_stays BEFORE DELETE OR TRUNCATE ON payee FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER approved_keeps_its_account BEFORE UPDATE ON approved_payment FOR EACH ROW
  WHEN (split_part(NEW.stored, '.', 2) = split_part(OLD.stored, '.', 2))
  EXECUTE FUNCTION refuse_because('an approved account changes only the key it is stored under');
