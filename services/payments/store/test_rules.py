"""What no change may do, whoever makes it: each rule is held by its own trigger, even if all others were gone."""

from typing import LiteralString, NamedTuple, get_args

import psycopg
import pytest
from psycopg import Connection, sql

from services.payments.domain.life import TRANSITIONS, State
from services.payments.store.cases import PAYMENTS, bring, move, rows

pytestmark = pytest.mark.integration

STATES: tuple[State, ...] = get_args(State)
STEPS = {(before, row.after) for row in TRANSITIONS.values() for before in row.before}


class Rule(NamedTuple):
    """`words` of the refusal; `state` of the first payment, and `setup`, before the statement."""

    trigger: str
    words: str
    statement: LiteralString
    state: State = "authorised"
    setup: LiteralString = "SELECT"


PAYMENT: LiteralString = "UPDATE rules.payment SET "
ONE: LiteralString = " WHERE number = 1"
IMMUTABLE, LIFE = "rows here are immutable", "a batch keeps its identity, goes forward"
IDENTITY, REVISION = "keeps its identity, amount and place", "only by a higher revision"
FIXED, CLAIMED = "payee and batch are fixed once a payment is approved", "claims are never taken back"
CLAIM_STAYS = "a claim keeps its identity and amount, and what was booked on it stays"
CLAIM: LiteralString = """INSERT INTO rules.clawback
  (clawback_id, payment_id, amount_fen, settled_fen, written_off_fen, parts)
  VALUES (repeat('c', 32), repeat('1', 32), 100, 20, 10, 2)"""
APPROVED: LiteralString = """INSERT INTO rules.approved_payment
  VALUES (repeat('b1', 16), repeat('1', 32), 100, repeat('d', 32), 1, repeat('a', 32), 'v1.old.one')"""
OPENED: LiteralString = "INSERT INTO rules.payee VALUES (repeat('1', 32), repeat('a', 32), '102', 'v1.old.one')"
BATCH: LiteralString = "UPDATE rules.batch SET "
SUBMITTED: LiteralString = """
  UPDATE rules.batch SET state = 'approved';
  UPDATE rules.batch SET state = 'submitted', message_sha256 = sha256('m'), sent = true"""
FILE: LiteralString = "INSERT INTO rules.bank_file VALUES (sha256('a'), 'a.xml', 'M1', true, '')"
RECEIPT: LiteralString = "INSERT INTO rules.receipt VALUES ('R1', repeat('c', 32), 1)"
ACTION: LiteralString = "INSERT INTO rules.action VALUES (0, 'k', 's', 'officer-1', 'r', now())"
APPROVAL: LiteralString = "INSERT INTO rules.approval VALUES (repeat('b1', 16), 1, 'officer-1', 'fits', 1)"
EXEMPTION: LiteralString = "UPDATE rules.exemption SET revision = 2, "
BORN: LiteralString = PAYMENTS.replace("1', 32", "3', 32").replace("2', 32", "4', 32").replace("'2019', 1", "'2019', 3")
BORN_BATCHED: LiteralString = (
    BORN.replace("'2019', 2", "'2019', 4").replace("digest)", "digest, batch_id)")
    .replace("'a', 32)", "'a', 32), repeat('b1', 16)").replace("'authorised'", "'batched'")
)  # fmt: skip

RULES: list[Rule] = [
    Rule("day_goes_forward", "a day does not go back", "UPDATE rules.day SET date = '2020-02-20'"),
    Rule("day_goes_forward", "a day does not go back", "UPDATE rules.day SET partition = 4, date = '2020-02-21'"),
    Rule("exemption_follows_revisions", REVISION, "UPDATE rules.exemption SET amount_fen = 701"),
    Rule("exemption_follows_revisions", REVISION, EXEMPTION + "partition = 4"),
    Rule("exemption_follows_revisions", REVISION, EXEMPTION + "period = '2020-03'"),
    Rule("exemption_follows_revisions", "stays booked where it was", EXEMPTION + "prefecture = '653100'"),
    Rule("refund_follows_revisions", REVISION, "UPDATE rules.refund SET revision = revision - 1", setup="""
        UPDATE rules.refund SET revision = 2"""),
    Rule("refund_follows_revisions", REVISION, "UPDATE rules.refund SET amount_fen = 149"),
    Rule("refund_follows_revisions", "never counted back", "UPDATE rules.refund SET revision = 2, last_number = 1"),
    Rule("refund_follows_revisions", REVISION, "UPDATE rules.refund SET revision = 2, partition = 4"),
    Rule("payment_keeps_its_identity", IDENTITY, PAYMENT + "amount_fen = 101" + ONE),
    Rule("payment_keeps_its_identity", IDENTITY, PAYMENT + "payment_id = repeat('9', 32)" + ONE),
    Rule("payment_keeps_its_identity", IDENTITY, PAYMENT + "prefecture = '653100'" + ONE),
    Rule("payment_keeps_its_identity", IDENTITY, PAYMENT + "decision_id = repeat('9', 32)" + ONE),
    Rule("payment_keeps_its_identity", IDENTITY, PAYMENT + "number = 9" + ONE),
    Rule("payment_begins_authorised", "a payment begins authorised", BORN_BATCHED),
    Rule("payment_resolves_once", "resolved once", PAYMENT + "state = 'rejected'" + ONE, "settled"),
    Rule("payment_resolves_once", "resolved once", PAYMENT + "state = 'submitted'" + ONE, "rejected"),
    Rule("payment_resolves_once", "resolved once", PAYMENT + "state = 'authorised'" + ONE, "cancelled"),
    Rule("payment_is_cancelled_in_time", "cannot be cancelled", PAYMENT + "state = 'cancelled'" + ONE, "submitted"),
    Rule("payment_is_cancelled_in_time", "cannot be cancelled", PAYMENT + "state = 'cancelled'" + ONE, "unknown"),
    Rule("payment_follows_the_table", "has no such step", PAYMENT + """
        state = 'batched', held_for = NULL, batch_id = repeat('b1', 16)""" + ONE, "held"),
    *(Rule("payment_keeps_its_payee", FIXED, PAYMENT + "payee_digest = repeat('b', 32)" + ONE, state)
      for state in STATES if state in ("approved", "submitted", "unknown", "settled", "rejected")),
    Rule("payment_keeps_its_payee", FIXED, PAYMENT + "batch_id = repeat('b2', 16)" + ONE, "approved"),
    Rule("payment_is_never_less_clawed", CLAIMED, PAYMENT + "clawed_fen = 9" + ONE, "settled", """
        UPDATE rules.refund SET revision = 2, amount_fen = 140; UPDATE rules.payment SET clawed_fen = 10""" + ONE),
    Rule("payment_is_never_less_clawed", CLAIMED, PAYMENT + "clawbacks = 0" + ONE, "settled", """
        UPDATE rules.payment SET clawbacks = 1""" + ONE),
    Rule("payment_is_never_less_clawed", "submitted on one day", PAYMENT + "submitted_on = '2020-03-03'" + ONE,
         "unknown"),
    Rule("refund_is_whole", "2 payments of 150 fen for 151 fen due", """
        UPDATE rules.refund SET revision = 2, amount_fen = 151"""),
    Rule("payment_makes_refund_whole", "2 payments of 140 fen", PAYMENT + "clawed_fen = 10" + ONE, "settled"),
    Rule("batch_follows_its_life", LIFE, BATCH + "prepared_by = 'officer-1'"),
    Rule("batch_follows_its_life", LIFE, BATCH + "bank = '103'"),
    Rule("batch_follows_its_life", LIFE, BATCH + "state = 'submitted'"),
    Rule("batch_follows_its_life", LIFE, BATCH + "state = 'prepared'", setup=BATCH + "state = 'approved'"),
    Rule("batch_follows_its_life", LIFE, BATCH + "state = 'refused'", setup=BATCH + "state = 'approved'"),
    Rule("batch_follows_its_life", LIFE, BATCH + "state = 'approved'", setup=BATCH + "state = 'refused'"),
    Rule("batch_follows_its_life", LIFE, BATCH + "version = 1", setup=BATCH + "version = 2"),
    Rule("batch_follows_its_life", LIFE, BATCH + "sent = false", setup=SUBMITTED),
    Rule("batch_follows_its_life", LIFE, BATCH + "message_sha256 = sha256('n')", setup=SUBMITTED),
    Rule("batch_follows_its_life", LIFE, BATCH + "message_sha256 = NULL", setup=SUBMITTED),
    Rule("batch_follows_its_life", LIFE, BATCH + "count = 1, total_fen = 1", setup=SUBMITTED),
    Rule("preparer_does_not_approve", "cannot approve it", APPROVAL.replace("officer-1", "clerk")),
    Rule("approval_is_immutable", IMMUTABLE, "UPDATE rules.approval SET version = 2", setup=APPROVAL),
    Rule("approved_is_immutable", IMMUTABLE, "UPDATE rules.approved_payment SET amount_fen = 101", setup=APPROVED),
    Rule("approved_is_immutable", IMMUTABLE, "UPDATE rules.approved_payment SET payee_digest = 'b'", setup=APPROVED),
    Rule("approved_is_immutable", IMMUTABLE, "UPDATE rules.approved_payment SET decision_id = 'b'", setup=APPROVED),
    Rule("approved_is_immutable", IMMUTABLE, "UPDATE rules.approved_payment SET revision = 2", setup=APPROVED),
    Rule("approved_keeps_its_account", "only the key", "UPDATE rules.approved_payment SET stored = 'v1.old.two'",
         setup=APPROVED),
    Rule("payee_keeps_its_account", "only the key", "UPDATE rules.payee SET stored = 'v1.old.two'", setup=OPENED),
    Rule("payee_keeps_its_account", "only the key", "UPDATE rules.payee SET stored = 'v1.new.one', bank = '103'",
         setup=OPENED),
    Rule("payee_keeps_its_account", "only the key", "UPDATE rules.payee SET stored = NULL, bank = NULL", setup=OPENED),
    Rule("payee_keeps_its_account", "only the key",
         "UPDATE rules.payee SET stored = 'v1.new.one', payment_id = repeat('2', 32)", setup=OPENED),
    Rule("clawback_goes_forward", CLAIM_STAYS, "UPDATE rules.clawback SET amount_fen = 101", setup=CLAIM),
    Rule("clawback_goes_forward", CLAIM_STAYS, "UPDATE rules.clawback SET payment_id = repeat('2', 32)", setup=CLAIM),
    Rule("clawback_goes_forward", CLAIM_STAYS, "UPDATE rules.clawback SET settled_fen = 19", setup=CLAIM),
    Rule("clawback_goes_forward", CLAIM_STAYS, "UPDATE rules.clawback SET written_off_fen = 9", setup=CLAIM),
    Rule("clawback_goes_forward", CLAIM_STAYS, "UPDATE rules.clawback SET parts = 1", setup=CLAIM),
    Rule("receipt_is_immutable", IMMUTABLE, "UPDATE rules.receipt SET amount_fen = 2", setup=RECEIPT),
    Rule("bank_file_is_immutable", IMMUTABLE, "UPDATE rules.bank_file SET accepted = false", setup=FILE),
    Rule("action_is_immutable", IMMUTABLE, "UPDATE rules.action SET officer = 'officer-2'", setup=ACTION),
    Rule("outbox_is_immutable", IMMUTABLE, "UPDATE rules.outbox SET value = ''"),
]  # fmt: skip
# What may not be deleted either, not even where there is nothing; TRUNCATE is asked of these below.
STAYING = {
    "day": "day_stays", "exemption": "exemption_stays", "refund": "refund_stays", "payment": "payment_stays",
    "batch": "batch_stays", "approval": "approval_is_immutable", "approved_payment": "approved_stays",
    "budget": "budget_stays", "clawback": "clawback_stays", "receipt": "receipt_is_immutable",
    "bank_file": "bank_file_is_immutable", "action": "action_is_immutable", "outbox": "outbox_is_immutable",
    "payee": "payee_stays",
}  # fmt: skip


def only(db: Connection, trigger: str) -> sql.Composed:
    """Every other trigger of its table is switched off from here on; the statement that switches it off too."""
    found = db.execute(
        """SELECT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
           WHERE relnamespace = 'rules'::regnamespace AND tgname = %s""",
        (trigger,),
    )
    ((table,),) = found.fetchall()
    where, named = sql.Identifier("rules", table), sql.Identifier(trigger)
    db.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(where))
    db.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER {}").format(where, named))
    return sql.SQL("ALTER TABLE {} DISABLE TRIGGER {}").format(where, named)


@pytest.mark.parametrize("rule", RULES, ids=[f"{rule.trigger}-{number}" for number, rule in enumerate(RULES)])
def test_a_rule_is_held_by_its_trigger_and_by_nothing_else(db: Connection, rule: Rule) -> None:
    bring(db, 1, rule.state)
    db.execute(rule.setup)
    if rule.state == "cancelled":
        db.execute("UPDATE rules.refund SET revision = 2, amount_fen = 50")
    db.execute("SET CONSTRAINTS ALL IMMEDIATE")
    off = only(db, rule.trigger)
    with pytest.raises(psycopg.errors.IntegrityError, match=rule.words), db.transaction():
        db.execute(rule.statement)
    db.execute(off)
    db.execute(rule.statement)


@pytest.mark.parametrize("table", STAYING)
@pytest.mark.parametrize("verb", ["DELETE FROM {} WHERE false", "TRUNCATE {} CASCADE"])
def test_nothing_is_ever_deleted(db: Connection, verb: LiteralString, table: str) -> None:
    statement = sql.SQL(verb).format(sql.Identifier("rules", table))
    if verb.startswith("DELETE"):
        off = only(db, STAYING[table])
    with pytest.raises(psycopg.errors.IntegrityError, match=IMMUTABLE), db.transaction():
        db.execute(statement)
    if verb.startswith("DELETE"):
        db.execute(off)
        db.execute(statement)


def test_every_trigger_is_seen_refusing(db: Connection) -> None:
    ours = rows(
        db,
        """SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
           WHERE relnamespace = 'rules'::regnamespace AND NOT tgisinternal AND tgname <> 'money_follows_payments'""",
    )
    assert {name for (name,) in ours} == {rule.trigger for rule in RULES} | set(STAYING.values())


@pytest.mark.parametrize("before", STATES)
def test_the_tables_know_exactly_the_steps_of_the_table_of_transitions(db: Connection, before: State) -> None:
    bring(db, 1, before)
    for after in STATES:
        if (before, after) in STEPS:
            with db.transaction() as trial:
                move(db, 1, after)
                raise psycopg.Rollback(trial)
        elif after != before:
            with pytest.raises(psycopg.errors.IntegrityError, match="has no such step"), db.transaction():
                move(db, 1, after)


def test_the_encrypted_account_of_what_was_approved_may_be_encrypted_anew(db: Connection) -> None:
    db.execute(APPROVED)
    db.execute("UPDATE rules.approved_payment SET stored = 'v1.new.two'")


def test_before_approval_a_payment_follows_its_payee(db: Connection) -> None:
    for state in ("authorised", "held", "authorised", "batched"):
        move(db, 1, state, payee_digest="b" * 32)
        move(db, 1, state, payee_digest="c" * 32)


def test_what_was_approved_may_be_taken_back_for_another_payee(db: Connection) -> None:
    bring(db, 1, "approved")
    move(db, 1, "held", payee_digest="b" * 32, held_for="payee_changed")
    assert rows(db, "SELECT payee_digest, batch_id FROM rules.payment WHERE number = 1") == [("b" * 32, None)]
