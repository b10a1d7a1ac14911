-- The double entry. One posting is one row with both legs, so every transaction is balanced by construction; what is
-- posted stays, by trigger and by rights.

CREATE TABLE posting (
  -- The order of the ledger: no gaps, in commit order (posting_counter's row lock), so a reader of seq > n misses none.
  seq          bigint CONSTRAINT posting_key PRIMARY KEY CONSTRAINT posting_seq CHECK (seq > 0),
  event_id     text   NOT NULL CONSTRAINT posting_event_id CHECK (event_id ~ '^[0-9a-f]{32}$')
                      CONSTRAINT posting_event_once UNIQUE,
  type         text   NOT NULL CONSTRAINT posting_type CHECK (type ~ '^relief\.(exemption|refund)\.[a-z_]+\.v1$'),
  business_key text   NOT NULL CONSTRAINT posting_business_key CHECK (business_key ~ '^[0-9a-f]{32}$'),
  uscc         text   NOT NULL CONSTRAINT posting_uscc CHECK (uscc ~ '^[0-9A-Z]{18}$'),
  decision_id  text   NOT NULL CONSTRAINT posting_decision_id CHECK (decision_id ~ '^[0-9a-f]{32}$'),
  debit        text   NOT NULL,
  credit       text   NOT NULL,
  amount_fen   bigint NOT NULL CONSTRAINT posting_amount CHECK (amount_fen BETWEEN 1 AND 9000000000000000000),
  booked_on    date   NOT NULL,
  digest       bytea  NOT NULL CONSTRAINT posting_digest CHECK (length(digest) = 16),
  topic        text   NOT NULL,
  partition    int    NOT NULL CONSTRAINT posting_partition CHECK (partition >= 0),
  CONSTRAINT posting_two_accounts CHECK (debit <> credit),
  -- Segments that every export format takes.
  CONSTRAINT posting_debit_form
    CHECK (debit ~ '^(Assets|Liabilities|Expenses|Income|Equity)(:[A-Z0-9][A-Za-z0-9-]*)+$'),
  CONSTRAINT posting_credit_form
    CHECK (credit ~ '^(Assets|Liabilities|Expenses|Income|Equity)(:[A-Z0-9][A-Za-z0-9-]*)+$')
);
CREATE INDEX posting_by_enterprise ON posting (uscc, seq);
-- A payment is authorised once, and what was authorised is taken back at most once.
CREATE UNIQUE INDEX posting_resolves_once ON posting (business_key, type)
  WHERE type IN ('relief.refund.authorised.v1', 'relief.refund.cancelled.v1', 'relief.refund.settled.v1');

CREATE TABLE posting_counter (
  one  boolean PRIMARY KEY DEFAULT true CONSTRAINT posting_counter_one CHECK (one),
  last bigint  NOT NULL CONSTRAINT posting_counter_last CHECK (last >= 0)
);
INSERT INTO posting_counter (last) VALUES (0);

-- Running totals, kept by the database itself from the rows as they are inserted.
CREATE TABLE account_balance (
  account    text   CONSTRAINT account_balance_key PRIMARY KEY,
  debit_fen  bigint NOT NULL CONSTRAINT account_balance_debit CHECK (debit_fen >= 0),
  credit_fen bigint NOT NULL CONSTRAINT account_balance_credit CHECK (credit_fen >= 0)
) WITH (fillfactor = 50);

-- Whoever posts holds the counter's row lock, so the accounts' rows are never waited for in a circle.
CREATE FUNCTION add_to_balances() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO account_balance AS held (account, debit_fen, credit_fen)
  SELECT account, sum(debit_fen)::bigint, sum(credit_fen)::bigint
  FROM (SELECT debit AS account, amount_fen AS debit_fen, 0 AS credit_fen FROM fresh
        UNION ALL SELECT credit, 0, amount_fen FROM fresh) AS legs
  GROUP BY account ORDER BY account
  ON CONFLICT (account) DO UPDATE SET debit_fen = held.debit_fen + EXCLUDED.debit_fen,
    credit_fen = held.credit_fen + EXCLUDED.credit_fen;
  RETURN NULL;
END $$;
CREATE TRIGGER posting_adds_to_balances AFTER INSERT ON posting REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION add_to_balances();

CREATE TRIGGER posting_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON posting
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER balances_follow_postings BEFORE INSERT OR UPDATE OR DELETE ON account_balance
  FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER balances_stay BEFORE TRUNCATE ON account_balance
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The service owns these tables. It gives up the rights it must never use; the superuser is held by the trigger.
REVOKE UPDATE, DELETE, TRUNCATE ON posting FROM PUBLIC, CURRENT_USER;
REVOKE DELETE, TRUNCATE ON account_balance FROM PUBLIC, CURRENT_USER;
