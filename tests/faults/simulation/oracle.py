"""What a history has to come to, read from its input log alone, in one straight run."""

from typing import Any

from shared.streaming.folding import step_through
from shared.streaming.records import Output, Record, States
from tests.faults.simulation.fold import OUT_PARTITIONS, Chaining
from tests.faults.simulation.stores import Server
from tests.faults.simulation.world import INPUTS, OUT, World


class Wrong(Exception):
    """In one sentence."""


def done(world: World, server: Server) -> bool:
    """Every record is taken, and every output is out."""
    for partition in INPUTS:
        mark = server._marks.get(partition)
        if mark is None or mark.next_offset != world.log.end.get(partition, 0):
            return False
    return server.relayed == len(server.outbox)


def check(world: World, server: Server) -> None:
    """Raises Wrong."""
    told: list[Output] = []
    for partition in INPUTS:
        records = [record for _, record in sorted(world.log.records.get(partition, {}).items())]
        states, outputs, marks = _straight(records)
        told += outputs
        held = {key: value.decode() for key, value in server._states.get(partition, {}).items()}
        if held != states:
            raise Wrong(f"the states of {partition.partition} are {held}, in a straight run {states}")
        mark = server._marks[partition]
        if mark.watermarks != marks:
            raise Wrong(f"the watermarks of {partition.partition} are {mark.watermarks}, in a straight run {marks}")
        _check_order(world, partition.partition, outputs)
    if world.plan.kind == "database" and sorted(server.outbox) != sorted(told):
        raise Wrong("the events kept are not those of a straight run, each once")


def _straight(records: list[Record]) -> tuple[dict[str, str], list[Output], dict[str, tuple[int, int]]]:
    fold, states, marks = Chaining(OUT), States[str]({}), dict[str, tuple[int, int]]()
    outputs = step_through(fold, records, [fold.decode(record) for record in records], states, marks)
    return states.changes(), outputs, marks


def _check_order(world: World, source: int, outputs: list[Output]) -> None:
    """Per output partition the first appearances are the straight run's, in its order; a repeat is as the first."""
    for number in range(OUT_PARTITIONS):
        expected = [output.value.decode() for output in outputs if output.partition == number]
        landed: dict[str, str] = {}
        for where, records in world.log.records.items():
            if (where.topic, where.partition) != (OUT, number):
                continue
            for _, record in sorted(records.items()):
                value: Any = (record.value or b"").decode()
                identity = value.partition(" ")[0]
                if not identity.startswith(f"{source}/"):
                    continue
                if landed.setdefault(identity, value) != value:
                    raise Wrong(f"{identity} was told as {value!r} and as {landed[identity]!r}")
        if list(landed.values()) != expected:
            raise Wrong(f"partition {number} tells of {source}: {list(landed.values())}, expected {expected}")
