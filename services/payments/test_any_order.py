"""Whatever comes in whatever order and however often: the money told adds up to the latest decision."""

from collections import defaultdict
from datetime import date, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.payments.cases import day, enterprise, made
from services.payments.domain.state import Held
from services.payments.handlers import PaymentsFold
from shared.contracts import registry
from shared.contracts.ledger_events import ExemptionData, RefundData
from shared.streaming.records import Record, States

KEYS = [
    (enterprise(1), "exemption", "pension/2020-02"),
    (enterprise(1), "contribution_return", "pension/2020-02"),
    (enterprise(1), "refund", "2019"),
    (enterprise(2), "exemption", "pension/2020-02"),
]
PLACES = ["650100", "653100"]
Key = tuple[str, str, str]


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.fold = PaymentsFold()
        self.states: States[Held] = States({})
        self.offset = 0
        self.said: dict[tuple[Key, int], tuple[int, str, str]] = {}
        self.latest: dict[Key, int] = defaultdict(int)
        # What the events alone tell, as a ledger would add it up.
        self.told: dict[Key, int] = defaultdict(int)
        self.booked: dict[tuple[Key, str], int] = defaultdict(int)
        self.payments: dict[str, list[str]] = defaultdict(list)
        self.ids: list[str] = []
        self.started: date | None = None

    @rule(
        key=st.sampled_from(KEYS),
        revision=st.integers(1, 12),
        amount=st.integers(0, 6) | st.integers(0, 10**15),
        place=st.sampled_from(PLACES),
        payee=st.sampled_from(["Ali", "Bek"]),
    )
    def decide(self, key: Key, revision: int, amount: int, place: str, payee: str) -> None:
        # A revision says one thing for ever; saying it again is a repeat, saying it late is a reordering.
        amount, place, payee = self.said.setdefault((key, revision), (amount, place, payee))
        self.latest[key] = max(self.latest[key], revision)
        self.take(made(*key, revision, amount, prefecture=place, payee=payee, offset=self.offset), key)

    @rule(days=st.integers(0, 20))
    def start_day(self, days: int) -> None:
        started = date(2020, 2, 1) + timedelta(days)
        self.started = max(self.started or started, started)
        self.take(day(started, offset=self.offset), None)

    def take(self, record: Record, key: Key | None) -> None:
        self.offset += 1
        outputs = self.fold.step(self.states, self.fold.decode(record), record)
        assert key is not None or not outputs
        for index, output in enumerate(outputs):
            event = registry.decoder(output.topic).validate_json(output.value)
            assert event.data.origin.model_dump() == {
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "index": index,
            }
            assert key is not None
            assert output.key == key[0].encode() == event.subject.encode()
            assert event.data.booked_on == (self.started or date(2020, 2, 20))
            self.ids.append(event.id)
            self.count(key, event.type, event.data)

    def count(self, key: Key, event_type: str, data: ExemptionData | RefundData) -> None:
        if isinstance(data, ExemptionData):
            moved = data.delta_fen
            assert data.amount_fen == self.told[key] + moved
        else:
            moved = data.amount_fen if event_type == "relief.refund.authorised.v1" else -data.amount_fen
            self.payments[data.payment_id].append(event_type)
        self.told[key] += moved
        self.booked[key, data.prefecture] += moved
        assert moved != 0
        assert self.booked[key, data.prefecture] >= 0, "reversed where it was never booked"

    @invariant()
    def the_events_add_up_to_the_latest_decision(self) -> None:
        for key in KEYS:
            revision = self.latest[key]
            assert self.told[key] == (self.said[key, revision][0] if revision else 0)

    @invariant()
    def ids_are_told_once(self) -> None:
        assert len(self.ids) == len(set(self.ids))

    @invariant()
    def a_payment_is_authorised_once_and_cancelled_at_most_once_after(self) -> None:
        once = "relief.refund.authorised.v1", "relief.refund.cancelled.v1"
        assert all(tuple(steps) == once[: len(steps)] for steps in self.payments.values())


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
