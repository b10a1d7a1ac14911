-- The journal becomes a hash chain per (topic, partition), and everything else that is kept about the postings follows
-- them: the counter, the heads of the chains, the sums per account and day. Nobody writes those by themselves.

-- The owner takes back, for this migration, what 001 gave up.
GRANT UPDATE ON posting TO CURRENT_USER;
DROP TRIGGER posting_is_immutable ON posting;
DROP TRIGGER posting_adds_to_balances ON posting;
DROP FUNCTION add_to_balances;
DROP TABLE account_balance;

-- Matching patterns row by row was two thirds of what an insert cost. The type uuid takes nothing but 32 hex digits, an
-- account's form is checked where its sums are kept, and the type has to be one that the chart books.
ALTER TABLE posting
  DROP CONSTRAINT posting_event_id,
  DROP CONSTRAINT posting_type,
  DROP CONSTRAINT posting_business_key,
  DROP CONSTRAINT posting_uscc,
  DROP CONSTRAINT posting_decision_id,
  DROP CONSTRAINT posting_debit_form,
  DROP CONSTRAINT posting_credit_form,
  ALTER COLUMN event_id TYPE uuid USING event_id::uuid,
  ALTER COLUMN business_key TYPE uuid USING business_key::uuid,
  ALTER COLUMN decision_id TYPE uuid USING decision_id::uuid,
  ADD CONSTRAINT posting_uscc
    CHECK (length(uscc) = 18 AND translate(uscc, '0123456789ABCDEFGHJKLMNPQRTUWXY', '') = ''),
  ADD CONSTRAINT posting_type CHECK (type IN (
    'relief.exemption.granted.v1', 'relief.exemption.amended.v1', 'relief.exemption.revoked.v1',
    'relief.refund.authorised.v1', 'relief.refund.submitted.v1', 'relief.refund.settled.v1',
    'relief.refund.rejected.v1', 'relief.refund.cancelled.v1', 'relief.refund.clawback_raised.v1',
    'relief.refund.clawback_settled.v1', 'relief.refund.clawback_written_off.v1')),
  ADD COLUMN link bytea;

-- Each step of a payment is taken once, whatever ids say so. A rejected payment may be cancelled; what was settled was
-- neither rejected nor cancelled.
DROP INDEX posting_resolves_once;
CREATE UNIQUE INDEX posting_told_once ON posting (business_key, type)
  WHERE type IN ('relief.refund.authorised.v1', 'relief.refund.submitted.v1');
CREATE UNIQUE INDEX posting_answered_once ON posting (business_key)
  WHERE type IN ('relief.refund.settled.v1', 'relief.refund.rejected.v1');
CREATE UNIQUE INDEX posting_ended_once ON posting (business_key)
  WHERE type IN ('relief.refund.settled.v1', 'relief.refund.cancelled.v1');

-- Equal keys are kept together, which makes this index a seventh of one with `seq` in it; an enterprise has few postings.
DROP INDEX posting_by_enterprise;
CREATE INDEX posting_by_enterprise ON posting (uscc);

-- The last posting of every chain, and how many there are.
CREATE TABLE chain_head (
  topic     text   NOT NULL,
  partition int    NOT NULL,
  postings  bigint NOT NULL CONSTRAINT chain_head_postings CHECK (postings > 0),
  last_seq  bigint NOT NULL CONSTRAINT chain_head_last_seq CHECK (last_seq >= postings),
  link      bytea  NOT NULL CONSTRAINT chain_head_link CHECK (length(link) = 32),
  CONSTRAINT chain_head_key PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- Turnover per account and day of booking; `debits` counts the postings that debit the account.
CREATE TABLE account_day (
  account    text   NOT NULL CONSTRAINT account_day_form
                    CHECK (account ~ '^(Assets|Liabilities|Expenses|Income|Equity)(:[A-Z0-9][A-Za-z0-9-]*)+$'),
  booked_on  date   NOT NULL,
  debit_fen  bigint NOT NULL CONSTRAINT account_day_debit CHECK (debit_fen >= 0),
  credit_fen bigint NOT NULL CONSTRAINT account_day_credit CHECK (credit_fen >= 0),
  debits     bigint NOT NULL CONSTRAINT account_day_debits CHECK (debits >= 0),
  CONSTRAINT account_day_key PRIMARY KEY (account, booked_on)
) WITH (fillfactor = 50);

CREATE FUNCTION netstring(part text) RETURNS text LANGUAGE sql IMMUTABLE
  RETURN octet_length(part) || ':' || part || ',';
CREATE FUNCTION hex(id uuid) RETURNS text LANGUAGE sql IMMUTABLE RETURN replace(id::text, '-', '');

-- The same as services/ledger/domain/chain.py: the next link of a chain whose last one is `previous`, null for none.
CREATE FUNCTION next_link(
  previous bytea, seq bigint, topic text, partition int, event_id uuid, type text, business_key uuid, uscc text,
  decision_id uuid, debit text, credit text, amount_fen bigint, booked_on date, digest bytea
) RETURNS bytea LANGUAGE sql IMMUTABLE
  RETURN sha256(convert_to(
    netstring(coalesce(encode(previous, 'hex'), repeat('0', 64))) || netstring(seq::text) || netstring(topic)
      || netstring(partition::text) || netstring(hex(event_id)) || netstring(type) || netstring(hex(business_key))
      || netstring(uscc) || netstring(hex(decision_id)) || netstring(debit) || netstring(credit)
      || netstring(amount_fen::text) || netstring(to_char(booked_on, 'YYYY-MM-DD')) || netstring(encode(digest, 'hex')),
    'UTF8'));

-- What was posted before gets its links now.
DO $$
DECLARE
  told record;
  previous bytea;
BEGIN
  FOR told IN SELECT * FROM posting ORDER BY seq LOOP
    SELECT link INTO previous FROM chain_head AS head WHERE head.topic = told.topic AND head.partition = told.partition;
    previous := next_link(previous, told.seq, told.topic, told.partition, told.event_id, told.type, told.business_key,
      told.uscc, told.decision_id, told.debit, told.credit, told.amount_fen, told.booked_on, told.digest);
    UPDATE posting SET link = previous WHERE seq = told.seq;
    INSERT INTO chain_head AS head VALUES (told.topic, told.partition, 1, told.seq, previous)
    ON CONFLICT (topic, partition) DO UPDATE SET postings = head.postings + 1, last_seq = EXCLUDED.last_seq,
      link = EXCLUDED.link;
  END LOOP;
END $$;
INSERT INTO account_day
SELECT account, booked_on, sum(debit_fen), sum(credit_fen), count(*) FILTER (WHERE debit_fen > 0)
FROM (SELECT debit AS account, booked_on, amount_fen AS debit_fen, 0 AS credit_fen FROM posting
      UNION ALL SELECT credit, booked_on, 0, amount_fen FROM posting) AS legs
GROUP BY account, booked_on;
ALTER TABLE posting
  ALTER COLUMN link SET NOT NULL,
  ADD CONSTRAINT posting_link CHECK (length(link) = 32);

-- One statement posts to one chain, and continues both it and the ledger. Whoever posts holds the counter's row lock, so
-- the rows of heads and accounts are never waited for in a circle.
CREATE FUNCTION follow_postings() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  added record;
  opening record;
  closing bytea;
  head bytea;
BEGIN
  SELECT count(*) AS postings, min(seq) AS first, max(seq) AS last, min(topic) AS topic, min(partition) AS partition,
    min(topic) = max(topic) AND min(partition) = max(partition) AS one_chain INTO added FROM fresh;
  IF added.postings = 0 THEN
    RETURN NULL;
  END IF;
  UPDATE posting_counter SET last = added.last WHERE last = added.first - 1;
  IF NOT FOUND OR NOT added.one_chain OR added.last - added.first + 1 <> added.postings THEN
    RAISE EXCEPTION 'postings % to % do not continue the ledger', added.first, added.last
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'posting_continues';
  END IF;
  SELECT * INTO opening FROM fresh WHERE seq = added.first;
  SELECT link INTO closing FROM fresh WHERE seq = added.last;
  SELECT link INTO head FROM chain_head WHERE topic = added.topic AND partition = added.partition;
  IF opening.link <> next_link(head, opening.seq, opening.topic, opening.partition, opening.event_id, opening.type,
      opening.business_key, opening.uscc, opening.decision_id, opening.debit, opening.credit, opening.amount_fen,
      opening.booked_on, opening.digest) THEN
    RAISE EXCEPTION 'posting % does not continue the chain of %/%', added.first, added.topic, added.partition
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'posting_chained';
  END IF;
  INSERT INTO chain_head AS known VALUES (added.topic, added.partition, added.postings, added.last, closing)
  ON CONFLICT (topic, partition) DO UPDATE SET postings = known.postings + EXCLUDED.postings,
    last_seq = EXCLUDED.last_seq, link = EXCLUDED.link;
  INSERT INTO account_day AS known
  SELECT account, booked_on, sum(debit_fen), sum(credit_fen), count(*) FILTER (WHERE debit_fen > 0)
  FROM (SELECT debit AS account, booked_on, amount_fen AS debit_fen, 0 AS credit_fen FROM fresh
        UNION ALL SELECT credit, booked_on, 0, amount_fen FROM fresh) AS legs
  GROUP BY account, booked_on
  ON CONFLICT (account, booked_on) DO UPDATE SET debit_fen = known.debit_fen + EXCLUDED.debit_fen,
    credit_fen = known.credit_fen + EXCLUDED.credit_fen, debits = known.debits + EXCLUDED.debits;
  RETURN NULL;
END $$;
CREATE TRIGGER posting_is_followed AFTER INSERT ON posting REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION follow_postings();

CREATE TRIGGER posting_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON posting
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER counter_follows_postings BEFORE INSERT OR UPDATE OR DELETE ON posting_counter
  FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER heads_follow_postings BEFORE INSERT OR UPDATE OR DELETE ON chain_head
  FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER days_follow_postings BEFORE INSERT OR UPDATE OR DELETE ON account_day
  FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER counter_stays BEFORE TRUNCATE ON posting_counter
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER heads_stay BEFORE TRUNCATE ON chain_head FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER days_stay BEFORE TRUNCATE ON account_day FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

REVOKE UPDATE, DELETE, TRUNCATE ON posting FROM PUBLIC, CURRENT_USER;
REVOKE DELETE, TRUNCATE ON posting_counter, chain_head, account_day FROM PUBLIC, CURRENT_USER;
