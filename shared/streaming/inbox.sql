-- What every service with the PostgreSQL store has: where it stands in its inputs, and what it has to tell.
CREATE TABLE inbox (
  topic        text   NOT NULL,
  partition    int    NOT NULL CHECK (partition >= 0),
  next_offset  bigint NOT NULL CHECK (next_offset >= 0),
  last_offset  bigint NOT NULL CHECK (last_offset >= -1),
  digest       bytea  NOT NULL,
  watermarks   bytea  NOT NULL,
  PRIMARY KEY (topic, partition)
);

-- The audit trail of what was told: append-only. `seq` has no gaps in commit order (outbox_counter's row lock).
CREATE TABLE outbox (
  seq       bigint PRIMARY KEY CHECK (seq > 0),
  topic     text   NOT NULL,
  partition int    NOT NULL CHECK (partition >= 0),
  key       bytea  NOT NULL,
  value     bytea  NOT NULL
);
CREATE TABLE outbox_counter (one boolean PRIMARY KEY DEFAULT true CHECK (one), last bigint NOT NULL CHECK (last >= 0));
INSERT INTO outbox_counter (last) VALUES (0);
-- How far the relay has come, after the broker's acknowledgements.
CREATE TABLE outbox_pointer (one boolean PRIMARY KEY DEFAULT true CHECK (one), relayed bigint NOT NULL CHECK (relayed >= 0));
INSERT INTO outbox_pointer (relayed) VALUES (0);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on %.% is refused: rows here are immutable', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER outbox_is_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON outbox
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
