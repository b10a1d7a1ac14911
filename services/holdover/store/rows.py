"""The tables of holdover: states are read in one statement per batch, and everything is written in one.

One statement writes the state and what the tables beside it say, because their checks ask, when it ends, whether sums
and rows agree.
"""

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString

from aiokafka.structs import TopicPartition

from services.holdover.domain.enterprise import PARTITION, Days, Enterprise, Held
from services.holdover.domain.standing import Standing
from services.holdover.domain.telling import Told
from services.holdover.store.packed import pack, unpack
from shared.contracts import topics
from shared.streaming.errors import Stop
from shared.streaming.postgres_store import Connection

Row = tuple[object, ...]


class HoldoverRows:
    """Implements `Rows[Held]`. Whoever calls holds the partition's lock."""

    async def load(self, db: Connection, partition: TopicPartition, keys: Sequence[str]) -> dict[str, Held]:
        """The states there are, of `keys`."""
        states: dict[str, Held] = {}
        if PARTITION in keys:
            row = await (await db.execute(_DAYS, (partition.partition,))).fetchone()
            if row is not None:
                states[PARTITION] = Days(*row)
        wanted = [key for key in keys if key != PARTITION]
        if wanted:
            for uscc, stored in await (await db.execute(_STATES, (wanted,))).fetchall():
                states[uscc] = unpack(uscc, stored)
        return states

    async def save(self, db: Connection, partition: TopicPartition, changes: dict[str, Held]) -> None:
        """Upserts. The tables refuse what contradicts them (a CHECK or trigger), and the batch with it."""
        number = partition.partition
        changed = []
        for state in changes.values():
            if isinstance(state, Days):
                counts = state.told, state.facts, state.decisions
                await db.execute(_SAVE_DAYS, (number, state.known, state.decided, *counts))
            else:
                changed.append(state)
        if changed:
            await self._save(db, number, changed)

    async def clear(self, db: Connection, partition: TopicPartition) -> None:
        """Allowed only where nothing was taken from this input yet: what was told cannot be worked out anew."""
        column = 3 if partition.topic == topics.FACTS else 4
        row = await (await db.execute(_DAYS, (partition.partition,))).fetchone()
        if row is not None and row[column]:
            raise Stop(
                f"Holdover has taken records of {partition.topic}/{partition.partition} but not kept how far it had "
                "read: its state is never rebuilt. Restore the database, inbox included."
            )

    async def _save(self, db: Connection, partition: int, changed: Sequence[Enterprise]) -> None:
        # In one order, so that whoever writes two of them never waits in a circle with the clock.
        changed = sorted(changed, key=lambda one: one.uscc)
        parts = (
            _columns(4, (_enterprise_row(one, partition) for one in changed)),
            _columns(6, (row for one in changed for row in _application_rows(one))),
            _columns(19, (row for one in changed for row in _account_rows(one, partition))),
            _columns(10, (row for one in changed for row in _bill_rows(one))),
            _columns(5, (row for one in changed for row in _payment_rows(one))),
            _columns(7, (row for one in changed for row in _instalment_rows(one))),
            _columns(8, (row for one in changed for row in _answer_rows(one))),
        )
        await db.execute(_SAVE, [column for part in parts for column in part])


def _columns(number: int, rows: Iterable[Row]) -> list[list[object]]:
    """As many lists as there are columns, also where there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(number)]


def _enterprise_row(one: Enterprise, partition: int) -> Row:
    return one.uscc, partition, one.next_due, pack(one)


def _application_rows(one: Enterprise) -> Iterable[Row]:
    for identity in sorted(one.changed.applications):
        application, ruling = one.facts.applications.get(identity), one.facts.rulings.get(identity)
        withdrawal = one.facts.withdrawals.get(identity)
        yield (
            one.uscc,
            identity,
            # Lists of lists are no columns: joined here and split there.
            None if application is None else ",".join(application.utilities),
            None if application is None else application.submitted_on,
            "undecided" if ruling is None else ruling.outcome,
            None if withdrawal is None else withdrawal.submitted_on,
        )


def _account_rows(one: Enterprise, partition: int) -> Iterable[Row]:
    for identity, now in sorted(one.changed.standings.items()):
        told = one.told[identity]
        yield identity, one.uscc, partition, *told.account, *_standing(now), *_order(told)


def _standing(now: Standing) -> Row:
    return (
        now.state, now.application_id, now.begun_on, now.bills_fen, now.lowered_fen, now.repaid_fen, now.open_fen,
        now.surplus_fen, len(now.instalments),
    )  # fmt: skip


def _order(told: Told) -> Row:
    order = told.order
    return (None,) * 4 if order is None else (order.order_id, order.from_on, order.until_on, order.signature)


def _bill_rows(one: Enterprise) -> Iterable[Row]:
    left_out: dict[str, Any] = {}
    holdovers: dict[str, str] = {}
    for holdover, now in one.changed.standings.items():
        left_out |= now.left_out
        holdovers |= dict.fromkeys((*now.left_out, *now.net_fen), holdover)
    paid = dict.fromkeys(one.changed.bills, 0)
    for payment in one.facts.payments.values():
        if payment.bill_id in paid:
            paid[payment.bill_id] += payment.amount_fen
    for identity in sorted(one.changed.bills & one.facts.bills.keys()):
        bill = one.facts.bills[identity][-1]
        yield (
            one.uscc, identity, holdovers[identity], bill.version, bill.period, bill.due_on, bill.amount_fen,
            bill.production_use, left_out.get(identity), paid[identity],
        )  # fmt: skip


def _payment_rows(one: Enterprise) -> Iterable[Row]:
    for identity in sorted(one.changed.payments):
        payment = one.facts.payments[identity]
        yield one.uscc, identity, payment.bill_id, payment.amount_fen, payment.paid_on


def _instalment_rows(one: Enterprise) -> Iterable[Row]:
    for holdover, now in sorted(one.changed.standings.items()):
        for number, instalment in enumerate(now.instalments, 1):
            days = instalment.announced_on, instalment.due_on
            yield holdover, one.uscc, number, *days, instalment.amount_fen, instalment.paid_fen


def _answer_rows(one: Enterprise) -> Iterable[Row]:
    for request, holdover, told in one.changed.answered:
        answer = told.kind.removeprefix("disconnection_")
        fields = told.fields
        yield (
            one.uscc, request.request_id, holdover, request.requested_on, answer, fields["order_id"],
            fields["reason"], told.on,
        )  # fmt: skip


_DAYS: LiteralString = "SELECT known, decided, told, facts, decisions FROM days WHERE partition = %s"
_STATES: LiteralString = "SELECT uscc, state FROM enterprise WHERE uscc = ANY(%b::text[])"
_SAVE_DAYS: LiteralString = """
    INSERT INTO days (partition, known, decided, told, facts, decisions) VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (partition) DO UPDATE SET known = EXCLUDED.known, decided = EXCLUDED.decided, told = EXCLUDED.told,
      facts = EXCLUDED.facts, decisions = EXCLUDED.decisions"""
# Rows that say what the table says already are left alone.
_SAVE: LiteralString = """
    WITH enterprises AS (
      INSERT INTO enterprise (uscc, partition, next_due, state)
      SELECT * FROM unnest(%b::text[], %b::int[], %b::date[], %b::bytea[])
      ON CONFLICT (uscc) DO UPDATE SET partition = EXCLUDED.partition, next_due = EXCLUDED.next_due,
        state = EXCLUDED.state),
    applications AS (
      INSERT INTO application (uscc, application_id, utilities, submitted_on, outcome, withdrawn_on)
      SELECT uscc, application_id, string_to_array(utilities, ','), submitted_on, outcome, withdrawn_on
      FROM unnest(%b::text[], %b::text[], %b::text[], %b::date[], %b::text[], %b::date[])
        AS fresh (uscc, application_id, utilities, submitted_on, outcome, withdrawn_on)
      ON CONFLICT (uscc, application_id) DO UPDATE SET utilities = EXCLUDED.utilities,
        submitted_on = EXCLUDED.submitted_on, outcome = EXCLUDED.outcome, withdrawn_on = EXCLUDED.withdrawn_on),
    accounts AS (
      INSERT INTO account AS held (holdover_id, uscc, partition, utility, supplier_id, account_no, state,
        application_id, begun_on, bills_fen, lowered_fen, repaid_fen, open_fen, surplus_fen, instalments, order_id,
        order_from, order_until, order_signature)
      SELECT * FROM unnest(%b::text[], %b::text[], %b::int[], %b::text[], %b::text[], %b::text[], %b::text[],
        %b::text[], %b::date[], %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[], %b::int[],
        %b::text[], %b::date[], %b::date[], %b::text[])
      ON CONFLICT (holdover_id) DO UPDATE SET uscc = EXCLUDED.uscc, partition = EXCLUDED.partition,
        utility = EXCLUDED.utility, supplier_id = EXCLUDED.supplier_id, account_no = EXCLUDED.account_no,
        state = EXCLUDED.state, application_id = EXCLUDED.application_id, begun_on = EXCLUDED.begun_on,
        bills_fen = EXCLUDED.bills_fen, lowered_fen = EXCLUDED.lowered_fen, repaid_fen = EXCLUDED.repaid_fen,
        open_fen = EXCLUDED.open_fen, surplus_fen = EXCLUDED.surplus_fen, instalments = EXCLUDED.instalments,
        order_id = EXCLUDED.order_id, order_from = EXCLUDED.order_from, order_until = EXCLUDED.order_until,
        order_signature = EXCLUDED.order_signature
      WHERE (held.*) IS DISTINCT FROM (EXCLUDED.*)
      RETURNING holdover_id, instalments),
    bills AS (
      INSERT INTO bill AS held (uscc, bill_id, holdover_id, version, period, due_on, amount_fen, production_use,
        left_out, paid_fen)
      SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::int[], %b::text[], %b::date[], %b::bigint[],
        %b::bool[], %b::text[], %b::bigint[])
      ON CONFLICT (uscc, bill_id) DO UPDATE SET holdover_id = EXCLUDED.holdover_id, version = EXCLUDED.version,
        period = EXCLUDED.period, due_on = EXCLUDED.due_on, amount_fen = EXCLUDED.amount_fen,
        production_use = EXCLUDED.production_use, left_out = EXCLUDED.left_out, paid_fen = EXCLUDED.paid_fen
      WHERE (held.*) IS DISTINCT FROM (EXCLUDED.*)),
    payments AS (
      INSERT INTO bill_payment (uscc, payment_id, bill_id, amount_fen, paid_on)
      SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::bigint[], %b::date[])),
    instalments AS (
      INSERT INTO instalment AS held (holdover_id, uscc, number, announced_on, due_on, amount_fen, paid_fen)
      SELECT * FROM unnest(%b::text[], %b::text[], %b::int[], %b::date[], %b::date[], %b::bigint[], %b::bigint[])
      ON CONFLICT (holdover_id, number) DO UPDATE SET announced_on = EXCLUDED.announced_on, due_on = EXCLUDED.due_on,
        amount_fen = EXCLUDED.amount_fen, paid_fen = EXCLUDED.paid_fen
      WHERE (held.*) IS DISTINCT FROM (EXCLUDED.*)),
    gone AS (
      DELETE FROM instalment USING accounts
      WHERE instalment.holdover_id = accounts.holdover_id AND instalment.number > accounts.instalments)
    INSERT INTO disconnection (uscc, request_id, holdover_id, requested_on, answer, order_id, reason, answered_on)
    SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::date[], %b::text[], %b::text[], %b::text[],
      %b::date[])"""
