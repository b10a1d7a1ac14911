"""No holdover that follows its rules differs from its logs, whatever its history, and wherever it is looked at."""

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from services.cli.holdover_cases import World, found, lived
from services.cli.holdover_compare import examine
from services.cli.holdover_totals import equations
from services.holdover.cases import USCC
from services.holdover.test_any_order import histories, orders


def test_a_whole_life_is_in_order() -> None:
    world = lived()
    assert found(world.rows(), world.view()) == {}


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_every_history_is_in_order_at_every_place_in_it(data: st.DataObject) -> None:
    history = data.draw(histories())
    order = data.draw(orders(history.logs))
    world = World(history.logs)
    world.take(*order[: data.draw(st.integers(1, len(order)))])
    world.work()
    read = world.view()
    # What was not taken by now came after the beginning.
    view = type(read)(world.places, read.looks, 0)
    verdict = examine(USCC, world.rows(), view)
    assert [one.why for one in verdict.differences] == []
    assert all(equation.holds for equation in equations(verdict.sums))
    for _, of, state in verdict.counts:
        event(f"{of} {state}")
