-- What holdover knows and has told. `enterprise` is the state that the step works on; the other tables say the same in
-- columns, for the API, the receivables and the reconciliation, and are written in the same transaction.

CREATE FUNCTION refuse_because() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on %.% is refused: %', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0]
    USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

-- The last days that started among facts and decisions, and what was taken from each.
CREATE TABLE days (
  partition int    CONSTRAINT days_key PRIMARY KEY CONSTRAINT days_partition CHECK (partition >= 0),
  known     date,
  decided   date,
  told      bigint NOT NULL CONSTRAINT days_told CHECK (told >= 0),
  facts     bigint NOT NULL CONSTRAINT days_facts CHECK (facts >= 0),
  decisions bigint NOT NULL CONSTRAINT days_decisions CHECK (decisions >= 0)
);
CREATE TRIGGER days_never_go_back BEFORE UPDATE ON days FOR EACH ROW
  WHEN (NEW.known < OLD.known OR NEW.decided < OLD.decided OR NEW.told < OLD.told OR NEW.facts < OLD.facts
    OR NEW.decisions < OLD.decisions OR (OLD.known IS NOT NULL AND NEW.known IS NULL)
    OR (OLD.decided IS NOT NULL AND NEW.decided IS NULL) OR NEW.partition <> OLD.partition)
  EXECUTE FUNCTION refuse_because('days and counts never go back');
CREATE TRIGGER days_stay BEFORE DELETE OR TRUNCATE ON days FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE enterprise (
  uscc      text  CONSTRAINT enterprise_key PRIMARY KEY CONSTRAINT enterprise_uscc CHECK (uscc ~ '^[0-9A-Z]{18}$'),
  partition int   NOT NULL CONSTRAINT enterprise_partition CHECK (partition >= 0),
  -- The next day on which something happens by itself.
  next_due  date,
  state     bytea NOT NULL CONSTRAINT enterprise_state CHECK (octet_length(state) > 0)
);
CREATE INDEX enterprise_due ON enterprise (partition, next_due) WHERE next_due IS NOT NULL;
CREATE TRIGGER enterprise_keeps_its_partition BEFORE UPDATE ON enterprise FOR EACH ROW
  WHEN ((NEW.uscc, NEW.partition) IS DISTINCT FROM (OLD.uscc, OLD.partition))
  EXECUTE FUNCTION refuse_because('an enterprise stays in its partition');
CREATE TRIGGER enterprise_stays BEFORE DELETE OR TRUNCATE ON enterprise
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE application (
  uscc           text NOT NULL,
  application_id text NOT NULL CONSTRAINT application_id_length CHECK (length(application_id) BETWEEN 1 AND 256),
  -- Both null while only its decision or its withdrawal has come.
  utilities      text[],
  submitted_on   date,
  outcome        text NOT NULL CONSTRAINT application_outcome CHECK (
                   outcome IN ('undecided', 'pending', 'granted', 'denied')),
  withdrawn_on   date,
  CONSTRAINT application_key PRIMARY KEY (uscc, application_id)
);
CREATE TRIGGER application_keeps_what_it_asks BEFORE UPDATE ON application FOR EACH ROW
  WHEN ((OLD.utilities IS NOT NULL AND (NEW.utilities, NEW.submitted_on) IS DISTINCT FROM
         (OLD.utilities, OLD.submitted_on))
    OR (OLD.withdrawn_on IS NOT NULL AND NEW.withdrawn_on IS DISTINCT FROM OLD.withdrawn_on)
    OR (NEW.uscc, NEW.application_id) IS DISTINCT FROM (OLD.uscc, OLD.application_id))
  EXECUTE FUNCTION refuse_because('what an application asks, and that it was taken back, is for ever');
CREATE TRIGGER application_stays BEFORE DELETE OR TRUNCATE ON application
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- One row per supplier account that a bill or a request has named.
CREATE TABLE account (
  holdover_id     text   CONSTRAINT account_key PRIMARY KEY
                         CONSTRAINT account_holdover_id CHECK (holdover_id ~ '^[0-9a-f]{32}$'),
  uscc            text   NOT NULL,
  partition       int    NOT NULL CONSTRAINT account_partition CHECK (partition >= 0),
  utility         text   NOT NULL CONSTRAINT account_utility CHECK (
                           utility IN ('electricity', 'water', 'gas', 'provident_fund')),
  supplier_id     text   NOT NULL,
  account_no      text   NOT NULL,
  state           text   NOT NULL CONSTRAINT account_state CHECK (state IN (
                           'none', 'applied', 'denied', 'granted', 'open', 'repaying', 'completed', 'defaulted',
                           'withdrawn')),
  application_id  text,
  begun_on        date,
  -- Of the bills in the holdover; their payments before and after repayment began.
  bills_fen       bigint NOT NULL CONSTRAINT account_bills CHECK (bills_fen BETWEEN 0 AND 9000000000000000000),
  lowered_fen     bigint NOT NULL CONSTRAINT account_lowered CHECK (lowered_fen BETWEEN 0 AND 4000000000000000000),
  repaid_fen      bigint NOT NULL CONSTRAINT account_repaid CHECK (repaid_fen BETWEEN 0 AND 4000000000000000000),
  open_fen        bigint NOT NULL CONSTRAINT account_open CHECK (open_fen >= 0),
  surplus_fen     bigint NOT NULL CONSTRAINT account_surplus CHECK (surplus_fen >= 0),
  instalments     int    NOT NULL CONSTRAINT account_instalments CHECK (instalments >= 0),
  order_id        text            CONSTRAINT account_order_id CHECK (order_id ~ '^[0-9a-f]{32}$'),
  order_from      date,
  order_until     date,
  order_signature text,
  CONSTRAINT account_of_one UNIQUE (supplier_id, account_no, utility, uscc),
  CONSTRAINT account_runs_right CHECK (open_fen - surplus_fen = bills_fen - lowered_fen - repaid_fen),
  CONSTRAINT account_owes_or_is_owed CHECK (open_fen = 0 OR surplus_fen = 0),
  CONSTRAINT account_in_force_is_protected CHECK (
    (order_id IS NOT NULL) = (state IN ('open', 'repaying') AND utility <> 'provident_fund')),
  CONSTRAINT account_order_whole CHECK (
    num_nonnulls(order_id, order_from, order_until, order_signature) IN (0, 4)),
  CONSTRAINT account_completed_is_paid CHECK (state <> 'completed' OR open_fen = 0)
);
CREATE INDEX account_of_enterprise ON account (uscc);
CREATE TRIGGER account_keeps_its_identity BEFORE UPDATE ON account FOR EACH ROW
  WHEN ((NEW.holdover_id, NEW.uscc, NEW.partition, NEW.utility, NEW.supplier_id, NEW.account_no)
        IS DISTINCT FROM (OLD.holdover_id, OLD.uscc, OLD.partition, OLD.utility, OLD.supplier_id, OLD.account_no))
  EXECUTE FUNCTION refuse_because('an account keeps its identity');
CREATE TRIGGER account_stays BEFORE DELETE OR TRUNCATE ON account FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Every bill, in its latest version. `left_out`: why it is in no holdover; `paid_fen`: what payments name it.
CREATE TABLE bill (
  uscc           text    NOT NULL,
  bill_id        text    NOT NULL,
  holdover_id    text    NOT NULL,
  version        int     NOT NULL CONSTRAINT bill_version CHECK (version >= 1),
  period         text    NOT NULL,
  due_on         date    NOT NULL,
  amount_fen     bigint  NOT NULL CONSTRAINT bill_amount CHECK (amount_fen BETWEEN 0 AND 1000000000000000),
  production_use boolean NOT NULL,
  left_out       text    CONSTRAINT bill_left_out CHECK (left_out IN ('not_production', 'no_grant', 'outside_window')),
  paid_fen       bigint  NOT NULL CONSTRAINT bill_paid CHECK (paid_fen BETWEEN 0 AND 4000000000000000000),
  CONSTRAINT bill_key PRIMARY KEY (uscc, bill_id),
  CONSTRAINT bill_production CHECK (production_use OR left_out IS NOT DISTINCT FROM 'not_production')
);
CREATE TRIGGER bill_follows_versions BEFORE UPDATE ON bill FOR EACH ROW
  WHEN (NEW.version < OLD.version OR (NEW.version = OLD.version
    AND (NEW.holdover_id, NEW.period, NEW.due_on, NEW.amount_fen, NEW.production_use)
        IS DISTINCT FROM (OLD.holdover_id, OLD.period, OLD.due_on, OLD.amount_fen, OLD.production_use))
    OR (NEW.uscc, NEW.bill_id) IS DISTINCT FROM (OLD.uscc, OLD.bill_id))
  EXECUTE FUNCTION refuse_because('a bill changes only by a higher version');
CREATE TRIGGER bill_stays BEFORE DELETE OR TRUNCATE ON bill FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Every payment; one whose bill is not in `bill` waits for it.
CREATE TABLE bill_payment (
  uscc       text   NOT NULL,
  payment_id text   NOT NULL,
  bill_id    text   NOT NULL,
  amount_fen bigint NOT NULL CONSTRAINT bill_payment_amount CHECK (amount_fen BETWEEN 0 AND 1000000000000000),
  paid_on    date   NOT NULL,
  CONSTRAINT bill_payment_key PRIMARY KEY (uscc, payment_id)
);
CREATE TRIGGER bill_payment_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON bill_payment
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What is to be repaid, once repayment has begun. `paid_fen`: the oldest first.
CREATE TABLE instalment (
  holdover_id  text   NOT NULL CONSTRAINT instalment_account REFERENCES account DEFERRABLE INITIALLY DEFERRED,
  uscc         text   NOT NULL,
  number       int    NOT NULL CONSTRAINT instalment_number CHECK (number >= 1),
  announced_on date   NOT NULL,
  due_on       date   NOT NULL CONSTRAINT instalment_announced CHECK (announced_on <= due_on),
  amount_fen   bigint NOT NULL CONSTRAINT instalment_amount CHECK (amount_fen BETWEEN 0 AND 9000000000000000000),
  paid_fen     bigint NOT NULL,
  CONSTRAINT instalment_key PRIMARY KEY (holdover_id, number),
  CONSTRAINT instalment_paid CHECK (paid_fen BETWEEN 0 AND amount_fen)
);

-- What was answered to a request to cut a supply, once.
CREATE TABLE disconnection (
  uscc         text NOT NULL,
  request_id   text NOT NULL,
  holdover_id  text NOT NULL,
  requested_on date NOT NULL,
  answer       text NOT NULL CONSTRAINT disconnection_answer CHECK (answer IN ('refused', 'allowed')),
  order_id     text,
  reason       text NOT NULL,
  answered_on  date NOT NULL,
  CONSTRAINT disconnection_key PRIMARY KEY (uscc, request_id),
  CONSTRAINT disconnection_under_an_order_is_refused CHECK (order_id IS NULL OR answer = 'refused')
);
CREATE INDEX disconnection_of_account ON disconnection (holdover_id);
CREATE TRIGGER disconnection_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON disconnection
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An account's sums are those of its bills, payments and instalments. They span tables, so no CHECK can say it. Asked
-- once per statement for all accounts of the enterprises it wrote: the service writes these tables in one statement.
CREATE FUNCTION accounts_are_whole() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  wrong text;
BEGIN
  SELECT a.holdover_id INTO wrong FROM (SELECT DISTINCT uscc FROM fresh) AS touched
  CROSS JOIN LATERAL (SELECT * FROM account WHERE account.uscc = touched.uscc OFFSET 0) AS a
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount_fen), 0) AS bills_fen, coalesce(sum(paid_fen), 0) AS paid_fen FROM bill
    WHERE bill.uscc = a.uscc AND bill.holdover_id = a.holdover_id AND left_out IS NULL OFFSET 0) AS b
  CROSS JOIN LATERAL (
    SELECT count(*) AS number, coalesce(sum(amount_fen), 0) AS amount_fen, coalesce(sum(paid_fen), 0) AS paid_fen
    FROM instalment WHERE instalment.holdover_id = a.holdover_id OFFSET 0) AS i
  WHERE a.bills_fen <> b.bills_fen OR a.lowered_fen + a.repaid_fen <> b.paid_fen OR a.instalments <> i.number
    OR (i.number > 0 AND (i.amount_fen <> greatest(0, a.bills_fen - a.lowered_fen)
                          OR i.paid_fen <> least(i.amount_fen, a.repaid_fen)))
  LIMIT 1;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'the sums of holdover % are not those of its bills, payments and instalments', wrong
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'accounts_are_whole';
  END IF;
  RETURN NULL;
END $$;
CREATE FUNCTION bills_are_paid_as_told() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  wrong text;
BEGIN
  SELECT b.bill_id INTO wrong FROM (SELECT DISTINCT uscc FROM fresh) AS touched
  CROSS JOIN LATERAL (SELECT * FROM bill WHERE bill.uscc = touched.uscc OFFSET 0) AS b
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount_fen), 0) AS paid_fen FROM bill_payment
    WHERE bill_payment.uscc = b.uscc AND bill_payment.bill_id = b.bill_id OFFSET 0) AS p
  WHERE b.paid_fen <> p.paid_fen LIMIT 1;
  IF wrong IS NOT NULL THEN
    RAISE EXCEPTION 'bill % does not say what its payments say', wrong
      USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'bills_are_paid_as_told';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER account_made_whole AFTER INSERT ON account REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION accounts_are_whole();
CREATE TRIGGER account_changed_whole AFTER UPDATE ON account REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION accounts_are_whole();
CREATE TRIGGER bill_made_whole AFTER INSERT ON bill REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION accounts_are_whole();
CREATE TRIGGER bill_changed_whole AFTER UPDATE ON bill REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION accounts_are_whole();
CREATE TRIGGER instalment_made_whole AFTER INSERT ON instalment REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION accounts_are_whole();
CREATE TRIGGER instalment_changed_whole AFTER UPDATE ON instalment REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION accounts_are_whole();
CREATE TRIGGER instalment_gone_whole AFTER DELETE ON instalment REFERENCING OLD TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION accounts_are_whole();
CREATE TRIGGER instalments_stay BEFORE TRUNCATE ON instalment FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER bill_made_paid AFTER INSERT ON bill REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION bills_are_paid_as_told();
CREATE TRIGGER bill_changed_paid AFTER UPDATE ON bill REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION bills_are_paid_as_told();
CREATE TRIGGER bill_payment_made_paid AFTER INSERT ON bill_payment REFERENCING NEW TABLE AS fresh
  FOR EACH STATEMENT EXECUTE FUNCTION bills_are_paid_as_told();
