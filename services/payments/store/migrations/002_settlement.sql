-- From an authorised payment to a settled one: batches, approvals, budgets, the bank's answers, claims.

-- The payee belongs to the entitlement and moves with its decisions; a payment carries the digest of the account it was
-- last meant for, and what an officer approved is kept whole in approved_payment.
ALTER TABLE refund
  ADD COLUMN prefecture   text CONSTRAINT refund_prefecture CHECK (prefecture ~ '^[0-9]{6}$'),
  ADD COLUMN payee_sealed text,
  ADD COLUMN payee_digest text CONSTRAINT refund_payee_digest CHECK (payee_digest ~ '^[0-9a-f]{32}$');
UPDATE refund r SET prefecture = p.prefecture, payee_sealed = p.payee_sealed, payee_digest = p.payee_digest
  FROM payment p WHERE (p.uscc, p.measure, p.key, p.number) = (r.uscc, r.measure, r.key, r.last_number);
DROP TRIGGER payment_keeps_its_payee ON payment;
ALTER TABLE payment DROP COLUMN payee_sealed;

ALTER TABLE payment
  ADD COLUMN batch_id     text   CONSTRAINT payment_batch_id CHECK (batch_id ~ '^[0-9a-f]{32}$'),
  ADD COLUMN held_for     text   CONSTRAINT payment_held_for
                                 CHECK (held_for IN ('no_budget', 'frozen', 'no_payee', 'payee_unreadable', 'payee_changed')),
  ADD COLUMN clawed_fen   bigint NOT NULL DEFAULT 0,
  ADD COLUMN clawbacks    int    NOT NULL DEFAULT 0 CONSTRAINT payment_clawbacks CHECK (clawbacks >= 0),
  ADD COLUMN submitted_on date,
  -- Only what was paid can be claimed back, and never more.
  ADD CONSTRAINT payment_clawed CHECK (clawed_fen BETWEEN 0 AND CASE state WHEN 'settled' THEN amount_fen ELSE 0 END),
  ADD CONSTRAINT payment_waits_for_something CHECK ((state = 'held') = (held_for IS NOT NULL)),
  ADD CONSTRAINT payment_in_a_batch CHECK (CASE
    WHEN state IN ('authorised', 'held') THEN batch_id IS NULL
    WHEN state = 'cancelled' THEN true
    ELSE batch_id IS NOT NULL END),
  -- What is given up went out before, or did not.
  ADD CONSTRAINT payment_submitted_some_day CHECK (
    state = 'cancelled' OR (state IN ('submitted', 'unknown', 'settled', 'rejected')) = (submitted_on IS NOT NULL));
CREATE INDEX payment_waiting ON payment (payment_id) WHERE state IN ('authorised', 'held');
CREATE INDEX payment_in_batch ON payment (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX payment_with_the_bank ON payment (submitted_on) WHERE state IN ('submitted', 'unknown');

DROP TRIGGER payment_resolves_once ON payment;
CREATE TRIGGER payment_resolves_once BEFORE UPDATE ON payment FOR EACH ROW
  WHEN (OLD.state IN ('settled', 'rejected', 'cancelled') AND NEW.state <> OLD.state
    AND NOT (OLD.state = 'rejected' AND NEW.state = 'cancelled'))
  EXECUTE FUNCTION refuse_because('a payment is resolved once; only what the bank refused may be given up afterwards');
-- The rest of the table of transitions (services/payments/domain/life.py); a test holds the two together.
CREATE TRIGGER payment_follows_the_table BEFORE UPDATE ON payment FOR EACH ROW
  WHEN (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
    ('authorised', 'held'), ('authorised', 'batched'), ('authorised', 'cancelled'),
    ('held', 'authorised'), ('held', 'cancelled'),
    ('batched', 'authorised'), ('batched', 'approved'), ('batched', 'held'), ('batched', 'cancelled'),
    ('approved', 'submitted'), ('approved', 'held'), ('approved', 'cancelled'),
    ('submitted', 'unknown'), ('submitted', 'settled'), ('submitted', 'rejected'),
    ('unknown', 'submitted'), ('unknown', 'settled'), ('unknown', 'rejected'), ('rejected', 'cancelled')))
  EXECUTE FUNCTION refuse_because('the life of a payment has no such step');
-- After, not before: what is saved again goes through an INSERT that turns into an update. One may be given up by the
-- very batch that authorised it.
CREATE TRIGGER payment_begins_authorised AFTER INSERT ON payment FOR EACH ROW
  WHEN (NEW.state NOT IN ('authorised', 'cancelled'))
  EXECUTE FUNCTION refuse_because('a payment begins authorised');
CREATE TRIGGER payment_keeps_its_payee BEFORE UPDATE ON payment FOR EACH ROW
  WHEN (OLD.state IN ('approved', 'submitted', 'unknown', 'settled', 'rejected')
    AND NEW.state IN ('approved', 'submitted', 'unknown', 'settled', 'rejected')
    AND (NEW.payee_digest, NEW.batch_id) IS DISTINCT FROM (OLD.payee_digest, OLD.batch_id))
  EXECUTE FUNCTION refuse_because('payee and batch are fixed once a payment is approved');
CREATE TRIGGER payment_is_never_less_clawed BEFORE UPDATE ON payment FOR EACH ROW
  WHEN (NEW.clawed_fen < OLD.clawed_fen OR NEW.clawbacks < OLD.clawbacks OR
    (OLD.submitted_on IS NOT NULL AND NEW.submitted_on IS DISTINCT FROM OLD.submitted_on))
  EXECUTE FUNCTION refuse_because('claims are never taken back, and a payment is submitted on one day');

-- What is due is what is live; only while something is with the bank may more be live than is due.
CREATE OR REPLACE FUNCTION refund_is_whole() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  due refund%ROWTYPE;
  live_fen bigint;
  in_flight bigint;
  numbers bigint;
BEGIN
  SELECT * INTO due FROM refund r WHERE r.uscc = NEW.uscc AND r.measure = NEW.measure AND r.key = NEW.key;
  SELECT coalesce(sum(p.amount_fen - p.clawed_fen) FILTER (WHERE p.state <> 'cancelled'), 0)::bigint,
         count(*) FILTER (WHERE p.state IN ('submitted', 'unknown')), count(*)
    INTO live_fen, in_flight, numbers
    FROM payment p WHERE p.uscc = NEW.uscc AND p.measure = NEW.measure AND p.key = NEW.key;
  IF due.last_number IS DISTINCT FROM numbers OR live_fen < due.amount_fen
     OR (live_fen > due.amount_fen AND in_flight = 0) THEN
    RAISE EXCEPTION '% % of % has % payments of % fen for % fen due in % payments',
      NEW.measure, NEW.key, NEW.uscc, numbers, live_fen, due.amount_fen, due.last_number
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'refund_is_whole';
  END IF;
  RETURN NULL;
END $$;
DROP TRIGGER payment_makes_refund_whole ON payment;
CREATE CONSTRAINT TRIGGER payment_makes_refund_whole AFTER INSERT OR UPDATE OF state, amount_fen, clawed_fen ON payment
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refund_is_whole();

-- Who did what that the log of decisions does not say: officers over HTTP, and the clerk by the day. `seq` is the offset
-- of `origin` in what was told because of it, so it has no gaps and commits in order (action_counter's row lock).
CREATE TABLE action (
  seq     bigint      CONSTRAINT action_key PRIMARY KEY CONSTRAINT action_seq CHECK (seq >= 0),
  kind    text        NOT NULL,
  subject text        NOT NULL,
  officer text        NOT NULL CONSTRAINT action_officer CHECK (officer <> ''),
  reason  text        NOT NULL,
  at      timestamptz NOT NULL
);
CREATE INDEX action_by_subject ON action (subject);
CREATE TABLE action_counter (one boolean PRIMARY KEY DEFAULT true CHECK (one), next bigint NOT NULL CHECK (next >= 0));
INSERT INTO action_counter (next) VALUES (0);
CREATE TRIGGER action_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON action
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Accounts that were opened, kept encrypted; the bank alone in clear, for that is how batches are made.
CREATE TABLE payee (
  payment_id   text NOT NULL CONSTRAINT payee_payment REFERENCES payment (payment_id),
  payee_digest text NOT NULL,
  bank         text CONSTRAINT payee_bank CHECK (bank ~ '^[0-9]{3}$'),
  stored       text,
  CONSTRAINT payee_key PRIMARY KEY (payment_id, payee_digest),
  -- Neither where the sealed account did not open.
  CONSTRAINT payee_whole CHECK ((bank IS NULL) = (stored IS NULL))
);

CREATE TABLE batch (
  batch_id    text   CONSTRAINT batch_key PRIMARY KEY CONSTRAINT batch_id_form CHECK (batch_id ~ '^[0-9a-f]{32}$'),
  programme   text   NOT NULL CONSTRAINT batch_programme CHECK (programme IN ('job_stabilisation', 'contribution_return')),
  bank        text   NOT NULL CONSTRAINT batch_bank CHECK (bank ~ '^[0-9]{3}$'),
  day         date   NOT NULL,
  number      int    NOT NULL CONSTRAINT batch_number CHECK (number >= 1),
  state       text   NOT NULL CONSTRAINT batch_state CHECK (state IN ('prepared', 'approved', 'refused', 'submitted')),
  count       int    NOT NULL CONSTRAINT batch_count CHECK (count >= 0),
  total_fen   bigint NOT NULL CONSTRAINT batch_total CHECK (total_fen >= 0),
  version     int    NOT NULL CONSTRAINT batch_version CHECK (version >= 1),
  prepared_by text   NOT NULL CONSTRAINT batch_prepared_by CHECK (prepared_by <> ''),
  frozen      boolean NOT NULL DEFAULT false,
  -- Of the message as it was built; it is built again from the same rows and must come out the same.
  message_sha256 bytea CONSTRAINT batch_message CHECK (length(message_sha256) = 32),
  sent        boolean NOT NULL DEFAULT false,
  CONSTRAINT batch_once UNIQUE (programme, bank, day, number),
  CONSTRAINT batch_sum CHECK ((count = 0) = (total_fen = 0)),
  CONSTRAINT batch_sent_when_submitted CHECK (NOT sent OR state = 'submitted')
);
CREATE INDEX batch_open ON batch (state) WHERE state IN ('prepared', 'approved') OR NOT sent;
CREATE TRIGGER batch_follows_its_life BEFORE UPDATE ON batch FOR EACH ROW
  WHEN ((NEW.batch_id, NEW.programme, NEW.bank, NEW.day, NEW.number, NEW.prepared_by)
        IS DISTINCT FROM (OLD.batch_id, OLD.programme, OLD.bank, OLD.day, OLD.number, OLD.prepared_by)
    OR (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN
        (('prepared', 'approved'), ('prepared', 'refused'), ('approved', 'submitted')))
    OR NEW.version < OLD.version OR (OLD.sent AND NOT NEW.sent)
    OR (OLD.message_sha256 IS NOT NULL AND NEW.message_sha256 IS DISTINCT FROM OLD.message_sha256)
    OR (OLD.state = 'submitted' AND (NEW.count, NEW.total_fen) IS DISTINCT FROM (OLD.count, OLD.total_fen)))
  EXECUTE FUNCTION refuse_because('a batch keeps its identity, goes forward, and stays as it was submitted');
CREATE TRIGGER batch_stays BEFORE DELETE OR TRUNCATE ON batch FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE payment ADD CONSTRAINT payment_of_batch FOREIGN KEY (batch_id) REFERENCES batch;

-- An approval is of one version of a batch: what changed since has to be approved anew.
CREATE TABLE approval (
  batch_id text   NOT NULL CONSTRAINT approval_of_batch REFERENCES batch,
  version  int    NOT NULL,
  officer  text   NOT NULL CONSTRAINT approval_officer CHECK (officer <> ''),
  reason   text   NOT NULL,
  place    int    NOT NULL CONSTRAINT approval_place CHECK (place IN (1, 2)),
  -- Two officers are two.
  CONSTRAINT approval_key PRIMARY KEY (batch_id, version, officer),
  CONSTRAINT approval_once UNIQUE (batch_id, version, place)
);
CREATE TRIGGER approval_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON approval
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE FUNCTION preparer_does_not_approve() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF EXISTS (SELECT FROM batch b WHERE b.batch_id = NEW.batch_id AND b.prepared_by = NEW.officer) THEN
    RAISE EXCEPTION 'INSERT on approval is refused: whoever prepared a batch cannot approve it'
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'preparer_does_not_approve';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER preparer_does_not_approve BEFORE INSERT ON approval
  FOR EACH ROW EXECUTE FUNCTION preparer_does_not_approve();

-- What was approved, whole: what goes to the bank is built from here.
CREATE TABLE approved_payment (
  batch_id     text   NOT NULL CONSTRAINT approved_of_batch REFERENCES batch,
  payment_id   text   NOT NULL CONSTRAINT approved_payment_is REFERENCES payment (payment_id),
  amount_fen   bigint NOT NULL CONSTRAINT approved_amount CHECK (amount_fen > 0),
  decision_id  text   NOT NULL,
  revision     bigint NOT NULL,
  payee_digest text   NOT NULL,
  stored       text   NOT NULL,
  CONSTRAINT approved_key PRIMARY KEY (batch_id, payment_id)
);
-- The encrypted account may be encrypted anew under another key, and nothing else may change.
CREATE TRIGGER approved_is_immutable BEFORE UPDATE ON approved_payment FOR EACH ROW
  WHEN ((NEW.batch_id, NEW.payment_id, NEW.amount_fen, NEW.decision_id, NEW.revision, NEW.payee_digest)
    IS DISTINCT FROM (OLD.batch_id, OLD.payment_id, OLD.amount_fen, OLD.decision_id, OLD.revision, OLD.payee_digest))
  EXECUTE FUNCTION refuse_change();
CREATE TRIGGER approved_stays BEFORE DELETE OR TRUNCATE ON approved_payment
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A programme's money: what is on its way is reserved, what is paid is spent, and the two never exceed the total.
CREATE TABLE budget (
  programme    text   CONSTRAINT budget_key PRIMARY KEY
                      CONSTRAINT budget_programme CHECK (programme IN ('job_stabilisation', 'contribution_return')),
  total_fen    bigint NOT NULL CONSTRAINT budget_total CHECK (total_fen BETWEEN 0 AND 9000000000000000000),
  reserved_fen bigint NOT NULL DEFAULT 0 CONSTRAINT budget_reserved CHECK (reserved_fen >= 0),
  spent_fen    bigint NOT NULL DEFAULT 0 CONSTRAINT budget_spent CHECK (spent_fen >= 0),
  CONSTRAINT budget_is_not_overdrawn CHECK (reserved_fen + spent_fen <= total_fen)
);
CREATE TRIGGER budget_stays BEFORE DELETE OR TRUNCATE ON budget FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE frozen (
  scope    text NOT NULL CONSTRAINT frozen_scope CHECK (scope IN ('enterprise', 'programme')),
  subject  text NOT NULL,
  officer  text NOT NULL,
  reason   text NOT NULL,
  CONSTRAINT frozen_key PRIMARY KEY (scope, subject)
);

-- Whenever payments move: what their batches declare, and what their budgets have reserved and spent, moves with them.
CREATE FUNCTION money_follows_payments() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  WITH moved AS (
    SELECT a.batch_id AS left_id, b.batch_id AS joined_id, b.amount_fen
    FROM was a JOIN became b USING (payment_id) WHERE a.batch_id IS DISTINCT FROM b.batch_id
  ), sums AS (
    SELECT batch_id, sum(n)::int AS n, sum(fen)::bigint AS fen FROM (
      SELECT left_id AS batch_id, -1 AS n, -amount_fen AS fen FROM moved WHERE left_id IS NOT NULL
      UNION ALL SELECT joined_id, 1, amount_fen FROM moved WHERE joined_id IS NOT NULL) AS both_ways
    GROUP BY batch_id ORDER BY batch_id
  )
  UPDATE batch SET count = batch.count + sums.n, total_fen = batch.total_fen + sums.fen, version = version + 1
  FROM sums WHERE batch.batch_id = sums.batch_id;
  WITH shares AS (
    SELECT a.measure, b.amount_fen,
      (b.state IN ('batched', 'approved', 'submitted', 'unknown'))::int
        - (a.state IN ('batched', 'approved', 'submitted', 'unknown'))::int AS reserved,
      (b.state = 'settled')::int - (a.state = 'settled')::int AS spent
    FROM was a JOIN became b USING (payment_id)
  ), sums AS (
    SELECT CASE measure WHEN 'refund' THEN 'job_stabilisation' ELSE 'contribution_return' END AS programme,
      sum(amount_fen * reserved)::bigint AS reserved_fen, sum(amount_fen * spent)::bigint AS spent_fen
    FROM shares WHERE reserved <> 0 OR spent <> 0 GROUP BY 1 ORDER BY 1
  )
  UPDATE budget SET reserved_fen = budget.reserved_fen + sums.reserved_fen, spent_fen = budget.spent_fen + sums.spent_fen
  FROM sums WHERE budget.programme = sums.programme AND (sums.reserved_fen <> 0 OR sums.spent_fen <> 0);
  RETURN NULL;
END $$;
CREATE TRIGGER money_follows_payments AFTER UPDATE ON payment
  REFERENCING OLD TABLE AS was NEW TABLE AS became
  FOR EACH STATEMENT EXECUTE FUNCTION money_follows_payments();

-- Claims on money that was paid.
CREATE TABLE clawback (
  clawback_id     text   CONSTRAINT clawback_key PRIMARY KEY
                         CONSTRAINT clawback_id_form CHECK (clawback_id ~ '^[0-9a-f]{32}$'),
  payment_id      text   NOT NULL CONSTRAINT clawback_of_payment REFERENCES payment (payment_id),
  amount_fen      bigint NOT NULL CONSTRAINT clawback_amount CHECK (amount_fen > 0),
  settled_fen     bigint NOT NULL DEFAULT 0 CONSTRAINT clawback_settled CHECK (settled_fen >= 0),
  written_off_fen bigint NOT NULL DEFAULT 0 CONSTRAINT clawback_written_off CHECK (written_off_fen >= 0),
  parts           int    NOT NULL DEFAULT 0 CONSTRAINT clawback_parts CHECK (parts >= 0),
  given_up_by     text,
  CONSTRAINT clawback_is_not_exceeded CHECK (settled_fen + written_off_fen <= amount_fen)
);
CREATE INDEX clawback_by_payment ON clawback (payment_id);
CREATE TRIGGER clawback_goes_forward BEFORE UPDATE ON clawback FOR EACH ROW
  WHEN ((NEW.clawback_id, NEW.payment_id, NEW.amount_fen) IS DISTINCT FROM (OLD.clawback_id, OLD.payment_id, OLD.amount_fen)
    OR NEW.settled_fen < OLD.settled_fen OR NEW.written_off_fen < OLD.written_off_fen OR NEW.parts < OLD.parts)
  EXECUTE FUNCTION refuse_because('a claim keeps its identity and amount, and what was booked on it stays');
CREATE TRIGGER clawback_stays BEFORE DELETE OR TRUNCATE ON clawback FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Every command that came in and moved nothing because it contradicts what is known: for an officer to look at.
CREATE TABLE parked (
  topic     text   NOT NULL,
  partition int    NOT NULL,
  "offset"  bigint NOT NULL,
  type      text   NOT NULL,
  subject   text   NOT NULL,
  sentence  text   NOT NULL,
  CONSTRAINT parked_key PRIMARY KEY (topic, partition, "offset")
);

-- Incoming commands by what makes them the same: the bank's reference of a receipt.
CREATE TABLE receipt (
  bank_reference text   CONSTRAINT receipt_key PRIMARY KEY,
  clawback_id    text   NOT NULL,
  amount_fen     bigint NOT NULL CONSTRAINT receipt_amount CHECK (amount_fen > 0)
);
CREATE TRIGGER receipt_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON receipt
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Files that came from the bank, whole or not at all.
CREATE TABLE bank_file (
  sha256     bytea CONSTRAINT bank_file_key PRIMARY KEY CONSTRAINT bank_file_digest CHECK (length(sha256) = 32),
  name       text NOT NULL,
  message_id text,
  accepted   boolean NOT NULL,
  sentence   text NOT NULL,
  CONSTRAINT bank_file_named CHECK (NOT accepted OR message_id IS NOT NULL)
);
CREATE UNIQUE INDEX bank_file_once ON bank_file (message_id) WHERE accepted;
CREATE TRIGGER bank_file_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON bank_file
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The last day that the clerk has worked through.
CREATE TABLE clerk (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  day date
);
INSERT INTO clerk (day) VALUES (NULL);
