"""What no row may say, whoever writes it. That each constraint is seen refusing is a test of its own."""

from typing import LiteralString, NamedTuple

import pytest
from psycopg import Connection

from services.payments.domain.life import State
from services.payments.store.cases import EXEMPTION, PAYMENTS, REFUND, bring, move, refuses, rows

pytestmark = pytest.mark.integration


class Bad(NamedTuple):
    """`state`: of the first payment, before the statement."""

    constraint: str
    statement: LiteralString
    state: State = "authorised"


ONE: LiteralString = " WHERE number = 1"
IN_A_BATCH: LiteralString = PAYMENTS.replace("digest)", "digest, batch_id)").replace(
    "'a', 32)", "'a', 32), repeat('b1', 16)"
)
PAYMENT: LiteralString = "UPDATE rules.payment SET "
BATCH: LiteralString = """INSERT INTO rules.batch
  (batch_id, programme, bank, day, number, state, count, total_fen, version, prepared_by, message_sha256, sent)
  VALUES (repeat('b3', 16), 'job_stabilisation', '102', '2020-03-02', 3, 'prepared', 7, 900, 1, 'clerk',
          sha256('m'), false)"""
APPROVAL: LiteralString = "INSERT INTO rules.approval (batch_id, version, officer, reason, place) VALUES "
APPROVED: LiteralString = "INSERT INTO rules.approved_payment VALUES "
BUDGET: LiteralString = "INSERT INTO rules.budget (programme, total_fen, reserved_fen, spent_fen) VALUES "
CLAIM: LiteralString = """INSERT INTO rules.clawback
  (clawback_id, payment_id, amount_fen, settled_fen, written_off_fen, parts)
  VALUES (repeat('c', 32), repeat('1', 32), 100, 60, 40, 2)"""
PAYEE: LiteralString = "INSERT INTO rules.payee (payment_id, payee_digest, bank, stored) VALUES "
FILE: LiteralString = "INSERT INTO rules.bank_file (sha256, name, message_id, accepted, sentence) VALUES "
RECEIPT: LiteralString = "INSERT INTO rules.receipt (bank_reference, clawback_id, amount_fen) VALUES "
FROZEN: LiteralString = "INSERT INTO rules.frozen (scope, subject, officer, reason) VALUES "
PARKED: LiteralString = 'INSERT INTO rules.parked (topic, partition, "offset", type, subject, sentence) VALUES '
ACTION: LiteralString = "INSERT INTO rules.action (seq, kind, subject, officer, reason, at) VALUES "

# What holds; each bad row is one of these with one thing wrong.
GOOD: list[LiteralString] = [
    BATCH,
    APPROVAL + "(repeat('b1', 16), 1, 'officer-1', 'fits', 1), (repeat('b1', 16), 1, 'officer-2', 'fits', 2)",
    APPROVED + "(repeat('b1', 16), repeat('1', 32), 100, repeat('d', 32), 1, repeat('a', 32), 'v')",
    BUDGET + "('contribution_return', 100, 60, 40)",
    CLAIM,
    PAYEE + "(repeat('1', 32), repeat('a', 32), '102', 'v'), (repeat('1', 32), repeat('b', 32), NULL, NULL)",
    FILE + "(sha256('a'), 'a.xml', 'M1', true, ''), (sha256('b'), 'b.xml', 'M1', false, 'Came before.')",
    FILE + "(sha256('c'), 'c.xml', NULL, false, 'No XML.')",
    RECEIPT + "('R1', repeat('c', 32), 1)",
    FROZEN + "('enterprise', 'job_stabilisation', 'officer-1', 'fraud'), ('programme', 'job_stabilisation', 'o', 'r')",
    PARKED + "('t', 0, 1, 'k', 's', 'w'), ('t', 0, 2, 'k', 's', 'w')",
    ACTION + "(0, 'k', 's', 'officer-1', 'r', now())",
]

BAD: list[Bad] = [
    Bad("day_pkey", "INSERT INTO rules.day VALUES (3, '2020-02-21')"),
    Bad("day_partition", "INSERT INTO rules.day VALUES (-1, '2020-02-21')"),
    Bad("exemption_uscc", EXEMPTION.replace("91650100MA7ABCDE18", "91650100ma7abcde18")),
    Bad("exemption_insurance", EXEMPTION.replace("'pension'", "'maternity'")),
    Bad("exemption_period", EXEMPTION.replace("2020-02", "2020-13")),
    Bad("exemption_partition", EXEMPTION.replace("3, 1", "-1, 1")),
    Bad("exemption_revision", EXEMPTION.replace("3, 1", "3, 0")),
    Bad("exemption_amount", EXEMPTION.replace("700", "-1")),
    Bad("exemption_amount", EXEMPTION.replace("700", "9000000000000000001")),
    Bad("exemption_prefecture", EXEMPTION.replace("'650100'", "'65010'")),
    Bad("exemption_is_booked_somewhere", EXEMPTION.replace("'650100'", "NULL")),
    Bad("exemption_is_booked_somewhere", EXEMPTION.replace("700", "0")),
    Bad("exemption_key", EXEMPTION),
    Bad("refund_uscc", REFUND.replace("91650100MA7ABCDE18", "91650100MA7ABCDE1")),
    Bad("refund_measure", REFUND.replace("'refund'", "'holdover'")),
    Bad("refund_key_length", REFUND.replace("'2019'", "''")),
    Bad("refund_partition", REFUND.replace("3, 1", "-3, 1")),
    Bad("refund_revision", REFUND.replace("3, 1", "3, 0")),
    Bad("refund_amount", REFUND.replace("150", "-1")),
    Bad("refund_amount", REFUND.replace("150", "9000000000000000001")),
    Bad("refund_last_number", REFUND.replace("150, 2", "0, -1")),
    Bad("refund_is_made_of_payments", REFUND.replace("150, 2", "150, 0")),
    Bad("refund_prefecture", REFUND.replace("'650100'", "'65010'")),
    Bad("refund_payee_digest", REFUND.replace("repeat('a', 32)", "'Ali'")),
    Bad("refund_key", REFUND),
    Bad("refund_is_whole", REFUND.replace("'2019'", "'2018'")),
    Bad("payment_number", PAYMENTS.replace("'2019', 1,", "'2019', 0,")),
    Bad("payment_id_form", PAYMENTS.replace("repeat('1', 32)", "repeat('1', 36)")),
    Bad("payment_amount", PAYMENTS.replace("100, 'auth", "0, 'auth")),
    Bad("payment_amount", PAYMENTS.replace("100, 'auth", "9000000000000000001, 'auth")),
    Bad("payment_state", IN_A_BATCH.replace("'authorised'", "'paid'")),
    Bad("payment_prefecture", PAYMENTS.replace("'650100'", "'6501000'")),
    Bad("payment_decision_id", PAYMENTS.replace("repeat('d', 32)", "'d'")),
    Bad("payment_payee_digest", PAYMENTS.replace("repeat('a', 32)", "'Ali'")),
    Bad("payment_key", PAYMENTS.replace("repeat('1', 32)", "repeat('3', 32)")),
    Bad("payment_id_once", PAYMENTS.replace("'2019', 1,", "'2019', 3,")),
    Bad("payment_of_refund", PAYMENTS.replace("1', 32", "4', 32").replace("2', 32", "5', 32").replace("2019", "2018")),
    Bad("payment_batch_id", PAYMENT + "state = 'batched', batch_id = 'b1'" + ONE),
    Bad("payment_of_batch", PAYMENT + "state = 'batched', batch_id = repeat('b9', 16)" + ONE),
    Bad("payment_held_for", PAYMENT + "state = 'held', held_for = 'mood'" + ONE),
    Bad("payment_waits_for_something", PAYMENT + "state = 'held'" + ONE),
    Bad("payment_waits_for_something", PAYMENT + "held_for = 'frozen'" + ONE),
    Bad("payment_in_a_batch", PAYMENT + "state = 'batched'" + ONE),
    Bad("payment_in_a_batch", PAYMENT + "batch_id = repeat('b1', 16)" + ONE),
    Bad("payment_in_a_batch", PAYMENT + "state = 'held', held_for = 'payee_changed'" + ONE, "approved"),
    Bad("payment_clawbacks", PAYMENTS.replace("digest)", "digest, clawbacks)").replace("'a', 32)", "'a', 32), -1")),
    Bad("payment_clawed", PAYMENT + "clawed_fen = 1" + ONE),
    Bad("payment_clawed", PAYMENT + "clawed_fen = 1" + ONE, "submitted"),
    Bad("payment_clawed", PAYMENT + "clawed_fen = 1" + ONE, "rejected"),
    Bad("payment_clawed", PAYMENT + "clawed_fen = 101" + ONE, "settled"),
    Bad("payment_submitted_some_day", PAYMENT + "submitted_on = '2020-03-02'" + ONE),
    Bad("payment_submitted_some_day", PAYMENT + "state = 'submitted'" + ONE, "approved"),
    Bad("batch_key", BATCH.replace("'b3'", "'b1'")),
    Bad("batch_id_form", BATCH.replace("'b3'", "'b'")),
    Bad("batch_programme", BATCH.replace("job_stabilisation", "refund")),
    Bad("batch_bank", BATCH.replace("'102'", "'1021'")),
    Bad("batch_number", BATCH.replace("02', 3", "02', 0")),
    Bad("batch_state", BATCH.replace("'prepared'", "'paid'")),
    Bad("batch_count", BATCH.replace("7, 900", "-7, 900")),
    Bad("batch_total", BATCH.replace("7, 900", "7, -900")),
    Bad("batch_sum", BATCH.replace("7, 900", "0, 900")),
    Bad("batch_sum", BATCH.replace("7, 900", "7, 0")),
    Bad("batch_version", BATCH.replace("1, 'clerk'", "0, 'clerk'")),
    Bad("batch_prepared_by", BATCH.replace("'clerk'", "''")),
    Bad("batch_message", BATCH.replace("sha256('m')", "'m'")),
    Bad("batch_once", BATCH.replace("02', 3", "02', 2")),
    Bad("batch_sent_when_submitted", BATCH.replace("false", "true")),
    Bad("batch_sent_when_submitted", BATCH.replace("false", "true").replace("'prepared'", "'approved'")),
    Bad("payee_payment", PAYEE + "(repeat('9', 32), repeat('a', 32), '102', 'v')"),
    Bad("payee_bank", PAYEE + "(repeat('1', 32), repeat('a', 32), '10', 'v')"),
    Bad("payee_whole", PAYEE + "(repeat('1', 32), repeat('a', 32), '102', NULL)"),
    Bad("payee_whole", PAYEE + "(repeat('1', 32), repeat('a', 32), NULL, 'v')"),
    Bad("payee_key", PAYEE + "(repeat('1', 32), 'a', '102', 'v'), (repeat('1', 32), 'a', '103', 'v')"),
    Bad("approval_of_batch", APPROVAL + "(repeat('b9', 16), 1, 'officer-1', 'fits', 1)"),
    Bad("approval_officer", APPROVAL + "(repeat('b1', 16), 1, '', 'fits', 1)"),
    Bad("approval_place", APPROVAL + "(repeat('b1', 16), 1, 'officer-1', 'fits', 0)"),
    # Two officers are two, and a third is none.
    Bad("approval_key", APPROVAL + "(repeat('b1', 16), 1, 'o', 'r', 1), (repeat('b1', 16), 1, 'o', 'r', 2)"),
    Bad("approval_once", APPROVAL + "(repeat('b1', 16), 1, 'o', 'r', 1), (repeat('b1', 16), 1, 'p', 'r', 1)"),
    Bad("approval_place", APPROVAL + "(repeat('b1', 16), 1, 'officer-3', 'fits', 3)"),
    Bad("approved_of_batch", APPROVED + "(repeat('b9', 16), repeat('1', 32), 1, 'd', 1, 'a', 'v')"),
    Bad("approved_payment_is", APPROVED + "(repeat('b1', 16), repeat('9', 32), 1, 'd', 1, 'a', 'v')"),
    Bad("approved_amount", APPROVED + "(repeat('b1', 16), repeat('1', 32), 0, 'd', 1, 'a', 'v')"),
    Bad("approved_key", APPROVED + "('b', '1', 1, 'd', 1, 'a', 'v'), ('b', '1', 2, 'd', 1, 'a', 'v')"),
    Bad("budget_key", BUDGET + "('job_stabilisation', 1, 0, 0)"),
    Bad("budget_programme", BUDGET + "('refund', 1, 0, 0)"),
    Bad("budget_total", BUDGET + "('contribution_return', 9000000000000000001, 0, 0)"),
    Bad("budget_reserved", BUDGET + "('contribution_return', 1, -1, 0)"),
    Bad("budget_spent", BUDGET + "('contribution_return', 1, 0, -1)"),
    Bad("budget_is_not_overdrawn", BUDGET + "('contribution_return', 100, 61, 40)"),
    Bad("budget_is_not_overdrawn", "UPDATE rules.budget SET total_fen = 99", "batched"),
    Bad("budget_is_not_overdrawn", "UPDATE rules.budget SET total_fen = 99", "settled"),
    Bad("frozen_scope", FROZEN + "('batch', 'b', 'officer-1', 'fraud')"),
    Bad("frozen_key", FROZEN + "('programme', 'p', 'o', 'r'), ('programme', 'p', 'p', 'r')"),
    Bad("clawback_key", CLAIM + ", (repeat('c', 32), repeat('2', 32), 1, 0, 0, 0)"),
    Bad("clawback_id_form", CLAIM.replace("repeat('c', 32)", "'c'")),
    Bad("clawback_of_payment", CLAIM.replace("repeat('1', 32)", "repeat('9', 32)")),
    Bad("clawback_amount", CLAIM.replace("100, 60, 40", "0, 0, 0")),
    Bad("clawback_settled", CLAIM.replace("60, 40", "-1, 40")),
    Bad("clawback_written_off", CLAIM.replace("60, 40", "60, -1")),
    Bad("clawback_parts", CLAIM.replace("40, 2", "40, -1")),
    Bad("clawback_is_not_exceeded", CLAIM.replace("60, 40", "60, 41")),
    Bad("clawback_is_not_exceeded", CLAIM.replace("60, 40", "61, 40")),
    Bad("parked_key", PARKED + "('t', 0, 1, 'k', 's', 'w'), ('t', 0, 1, 'k', 's', 'other')"),
    Bad("receipt_key", RECEIPT + "('R1', repeat('c', 32), 1), ('R1', repeat('c', 32), 2)"),
    Bad("receipt_amount", RECEIPT + "('R1', repeat('c', 32), 0)"),
    Bad("bank_file_key", FILE + "(sha256('a'), 'a', NULL, false, 's'), (sha256('a'), 'b', NULL, false, 's')"),
    Bad("bank_file_digest", FILE + "('a', 'a.xml', NULL, false, 's')"),
    Bad("bank_file_named", FILE + "(sha256('a'), 'a.xml', NULL, true, 's')"),
    # One message is taken once, under whatever name and with whatever bytes it comes.
    Bad("bank_file_once", FILE + "(sha256('a'), 'a', 'M1', true, 's'), (sha256('b'), 'b', 'M1', true, 's')"),
    Bad("action_key", ACTION + "(0, 'k', 's', 'o', 'r', now()), (0, 'k', 's', 'o', 'r', now())"),
    Bad("action_seq", ACTION + "(-1, 'k', 's', 'o', 'r', now())"),
    Bad("action_officer", ACTION + "(0, 'k', 's', '', 'r', now())"),
    Bad("action_counter_pkey", "INSERT INTO rules.action_counter (next) VALUES (7)"),
    Bad("action_counter_one_check", "INSERT INTO rules.action_counter VALUES (false, 7)"),
    Bad("action_counter_next_check", "UPDATE rules.action_counter SET next = -1"),
    Bad("clerk_pkey", "INSERT INTO rules.clerk (day) VALUES (NULL)"),
    Bad("clerk_one_check", "INSERT INTO rules.clerk VALUES (false, NULL)"),
]


@pytest.mark.parametrize("bad", BAD, ids=[f"{bad.constraint}-{number}" for number, bad in enumerate(BAD)])
def test_a_row_out_of_range_is_refused(db: Connection, bad: Bad) -> None:
    bring(db, 1, bad.state)
    refuses(db, bad.constraint, bad.statement)


@pytest.mark.parametrize("statement", GOOD)
def test_a_row_in_range_is_taken(db: Connection, statement: LiteralString) -> None:
    db.execute(statement)
    db.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_every_constraint_is_seen_refusing(db: Connection) -> None:
    ours = rows(
        db,
        """SELECT conname FROM pg_constraint JOIN pg_class t ON t.oid = conrelid
           WHERE connamespace = 'rules'::regnamespace AND contype IN ('c', 'p', 'u', 'f')
             AND t.relname NOT IN ('inbox', 'outbox', 'outbox_counter', 'outbox_pointer', 'migration')
           UNION SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
           WHERE indisunique AND relnamespace = 'rules'::regnamespace
             AND indrelid::regclass::text !~ '(inbox|outbox|outbox_counter|outbox_pointer|migration)$'""",
    )
    assert {name for (name,) in ours} == {bad.constraint for bad in BAD} - {"refund_is_whole"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rules.refund SET amount_fen = 151, revision = 2",
        "UPDATE rules.refund SET amount_fen = 149, revision = 2",
        "UPDATE rules.refund SET last_number = 3",
        "UPDATE rules.payment SET state = 'cancelled' WHERE number = 2",
        PAYMENTS.replace("'2019', 1,", "'2019', 3,").replace("'2019', 2,", "'2019', 4,")
        .replace("'1', 32", "'3', 32").replace("'2', 32", "'4', 32"),
    ],
)  # fmt: skip
def test_payments_that_do_not_add_up_are_refused_at_the_commit(db: Connection, statement: LiteralString) -> None:
    refuses(db, "refund_is_whole", statement)


def test_payments_that_add_up_in_the_end_are_taken(db: Connection) -> None:
    move(db, 2, "cancelled")
    db.execute("UPDATE rules.refund SET amount_fen = 100, revision = 2")
    db.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("state", ["submitted", "unknown"])
def test_only_while_the_bank_has_some_of_it_may_more_be_live_than_is_due(db: Connection, state: State) -> None:
    bring(db, 1, state)
    refuses(db, "refund_is_whole", "UPDATE rules.refund SET amount_fen = 151, revision = 2")
    db.execute("UPDATE rules.refund SET amount_fen = 20, revision = 2")
    db.execute("SET CONSTRAINTS ALL IMMEDIATE")
    # Nor does what was claimed count as live: once it is paid, the rest has to be claimed to the fen.
    move(db, 2, "cancelled")
    refuses(db, "refund_is_whole", "UPDATE rules.payment SET state = 'settled', clawed_fen = 79" + ONE)
    refuses(db, "refund_is_whole", "UPDATE rules.payment SET state = 'settled', clawed_fen = 81" + ONE)
    db.execute("UPDATE rules.payment SET state = 'settled', clawed_fen = 80" + ONE)
