-- What is waived, what is due, and the payments that make it up. Every rule that money rests on is held here too,
-- whatever program connects; the comments name the invariant.

-- A rule that compares a row with what it was: the trigger's argument is the rule, in words.
CREATE FUNCTION refuse_because() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on %.% is refused: %', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0]
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- The last day started in each partition of decisions.
CREATE TABLE day (
  partition int  PRIMARY KEY CONSTRAINT day_partition CHECK (partition >= 0),
  date      date NOT NULL
);
CREATE TRIGGER day_goes_forward BEFORE UPDATE ON day FOR EACH ROW
  WHEN (NEW.date <= OLD.date OR NEW.partition <> OLD.partition)
  EXECUTE FUNCTION refuse_because('a day does not go back');
CREATE TRIGGER day_stays BEFORE DELETE OR TRUNCATE ON day
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One row per exemption that was ever decided, denials included: their revision outranks a late repeat of a lower one.
CREATE TABLE exemption (
  uscc       text   NOT NULL CONSTRAINT exemption_uscc CHECK (uscc ~ '^[0-9A-Z]{18}$'),
  insurance  text   NOT NULL CONSTRAINT exemption_insurance
                    CHECK (insurance IN ('pension', 'unemployment', 'work_injury', 'medical')),
  period     text   NOT NULL CONSTRAINT exemption_period CHECK (period ~ '^(19|20)[0-9]{2}-(0[1-9]|1[0-2])$'),
  partition  int    NOT NULL CONSTRAINT exemption_partition CHECK (partition >= 0),
  revision   bigint NOT NULL CONSTRAINT exemption_revision CHECK (revision >= 1),
  amount_fen bigint NOT NULL CONSTRAINT exemption_amount CHECK (amount_fen BETWEEN 0 AND 9000000000000000000),
  prefecture text            CONSTRAINT exemption_prefecture CHECK (prefecture ~ '^[0-9]{6}$'),
  -- Where money is booked it has a place, and without money there is none to reverse it in.
  CONSTRAINT exemption_is_booked_somewhere CHECK ((amount_fen = 0) = (prefecture IS NULL)),
  CONSTRAINT exemption_key PRIMARY KEY (uscc, insurance, period)
);
CREATE TRIGGER exemption_follows_revisions BEFORE UPDATE ON exemption FOR EACH ROW
  WHEN (NEW.revision <= OLD.revision
    OR (NEW.uscc, NEW.insurance, NEW.period, NEW.partition)
       IS DISTINCT FROM (OLD.uscc, OLD.insurance, OLD.period, OLD.partition)
    OR (OLD.amount_fen > 0 AND NEW.amount_fen > 0 AND NEW.prefecture IS DISTINCT FROM OLD.prefecture))
  EXECUTE FUNCTION refuse_because(
    'an exemption changes only by a higher revision, in its own partition, and stays booked where it was until it is 0');
CREATE TRIGGER exemption_stays BEFORE DELETE OR TRUNCATE ON exemption
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE refund (
  uscc        text   NOT NULL CONSTRAINT refund_uscc CHECK (uscc ~ '^[0-9A-Z]{18}$'),
  measure     text   NOT NULL CONSTRAINT refund_measure CHECK (measure IN ('refund', 'contribution_return')),
  key         text   NOT NULL CONSTRAINT refund_key_length CHECK (length(key) BETWEEN 1 AND 256),
  partition   int    NOT NULL CONSTRAINT refund_partition CHECK (partition >= 0),
  revision    bigint NOT NULL CONSTRAINT refund_revision CHECK (revision >= 1),
  amount_fen  bigint NOT NULL CONSTRAINT refund_amount CHECK (amount_fen BETWEEN 0 AND 9000000000000000000),
  last_number int    NOT NULL CONSTRAINT refund_last_number CHECK (last_number >= 0),
  CONSTRAINT refund_is_made_of_payments CHECK (amount_fen = 0 OR last_number > 0),
  CONSTRAINT refund_key PRIMARY KEY (uscc, measure, key)
);
CREATE TRIGGER refund_follows_revisions BEFORE UPDATE ON refund FOR EACH ROW
  WHEN (NEW.revision < OLD.revision OR NEW.last_number < OLD.last_number
    OR (NEW.revision = OLD.revision AND NEW.amount_fen <> OLD.amount_fen)
    OR (NEW.uscc, NEW.measure, NEW.key, NEW.partition)
       IS DISTINCT FROM (OLD.uscc, OLD.measure, OLD.key, OLD.partition))
  EXECUTE FUNCTION refuse_because(
    'what is due changes only by a higher revision, in its own partition, and payments are never counted back');
CREATE TRIGGER refund_stays BEFORE DELETE OR TRUNCATE ON refund
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE payment (
  uscc         text   NOT NULL,
  measure      text   NOT NULL,
  key          text   NOT NULL,
  number       int    NOT NULL CONSTRAINT payment_number CHECK (number >= 1),
  payment_id   text   NOT NULL CONSTRAINT payment_id_form CHECK (payment_id ~ '^[0-9a-f]{32}$'),
  amount_fen   bigint NOT NULL CONSTRAINT payment_amount CHECK (amount_fen BETWEEN 1 AND 9000000000000000000),
  state        text   NOT NULL CONSTRAINT payment_state CHECK (state IN (
                 'authorised', 'held', 'batched', 'approved', 'submitted', 'unknown', 'settled', 'rejected', 'cancelled')),
  prefecture   text   NOT NULL CONSTRAINT payment_prefecture CHECK (prefecture ~ '^[0-9]{6}$'),
  decision_id  text   NOT NULL CONSTRAINT payment_decision_id CHECK (decision_id ~ '^[0-9a-f]{32}$'),
  payee_sealed text,
  payee_digest text            CONSTRAINT payment_payee_digest CHECK (payee_digest ~ '^[0-9a-f]{32}$'),
  CONSTRAINT payment_key PRIMARY KEY (uscc, measure, key, number),
  -- One business key, one payment, for ever.
  CONSTRAINT payment_id_once UNIQUE (payment_id),
  CONSTRAINT payment_of_refund FOREIGN KEY (uscc, measure, key) REFERENCES refund
);
CREATE TRIGGER payment_keeps_its_identity BEFORE UPDATE ON payment FOR EACH ROW
  WHEN ((NEW.uscc, NEW.measure, NEW.key, NEW.number, NEW.payment_id, NEW.amount_fen, NEW.prefecture, NEW.decision_id)
        IS DISTINCT FROM
        (OLD.uscc, OLD.measure, OLD.key, OLD.number, OLD.payment_id, OLD.amount_fen, OLD.prefecture, OLD.decision_id))
  EXECUTE FUNCTION refuse_because('a payment keeps its identity, amount and place');
CREATE TRIGGER payment_resolves_once BEFORE UPDATE ON payment FOR EACH ROW
  WHEN (OLD.state IN ('settled', 'rejected', 'cancelled') AND NEW.state <> OLD.state)
  EXECUTE FUNCTION refuse_because('a payment is resolved once');
CREATE TRIGGER payment_is_cancelled_in_time BEFORE UPDATE ON payment FOR EACH ROW
  WHEN (NEW.state = 'cancelled' AND OLD.state IN ('submitted', 'unknown'))
  EXECUTE FUNCTION refuse_because('what was submitted cannot be cancelled');
CREATE TRIGGER payment_keeps_its_payee BEFORE UPDATE ON payment FOR EACH ROW
  WHEN (OLD.state NOT IN ('authorised', 'held', 'batched', 'approved')
    AND (NEW.payee_sealed, NEW.payee_digest) IS DISTINCT FROM (OLD.payee_sealed, OLD.payee_digest))
  EXECUTE FUNCTION refuse_because('the payee is fixed once a payment is submitted or over');
CREATE TRIGGER payment_stays BEFORE DELETE OR TRUNCATE ON payment
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The payments that are not cancelled add up to what is due, and are numbered without a gap. It spans two tables, so no
-- CHECK can say it. A running total in `refund` under a CHECK could, but would prove only itself: nothing ties it to the
-- payments. Deferred to the commit, because in between the rows cannot agree.
CREATE FUNCTION refund_is_whole() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  due refund%ROWTYPE;
  live_fen bigint;
  numbers bigint;
BEGIN
  SELECT * INTO due FROM refund r WHERE r.uscc = NEW.uscc AND r.measure = NEW.measure AND r.key = NEW.key;
  SELECT coalesce(sum(p.amount_fen) FILTER (WHERE p.state <> 'cancelled'), 0)::bigint, count(*)
    INTO live_fen, numbers
    FROM payment p WHERE p.uscc = NEW.uscc AND p.measure = NEW.measure AND p.key = NEW.key;
  IF due.amount_fen IS DISTINCT FROM live_fen OR due.last_number IS DISTINCT FROM numbers THEN
    RAISE EXCEPTION '% % of % has % payments of % fen for % fen due in % payments',
      NEW.measure, NEW.key, NEW.uscc, numbers, live_fen, due.amount_fen, due.last_number
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'refund_is_whole';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER refund_is_whole AFTER INSERT OR UPDATE OF amount_fen, last_number ON refund
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refund_is_whole();
CREATE CONSTRAINT TRIGGER payment_makes_refund_whole AFTER INSERT OR UPDATE OF state, amount_fen ON payment
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refund_is_whole();
