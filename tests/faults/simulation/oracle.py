"""What a history has to come to, read from its input log alone, in one straight run."""

from collections import Counter
from itertools import chain
from typing import Any

from shared.streaming.folding import step_through
from shared.streaming.records import Output, Record, States
from tests.faults.simulation.stores import Server
from tests.faults.simulation.world import World

Marks = dict[str, tuple[int, int]]


class Wrong(Exception):
    """In one sentence."""


def done(world: World, server: Server) -> bool:
    """Every record is taken, and every output is out."""
    for partition in world.inputs:
        mark = server._marks.get(partition)
        if mark is None or mark.next_offset != world.log.end.get(partition, 0):
            return False
    return server.relayed == len(server.outbox)


def check(world: World, server: Server) -> None:
    """Raises Wrong."""
    told: list[list[Output]] = []
    for partition in world.inputs:
        records = [record for _, record in sorted(world.log.records.get(partition, {}).items())]
        states, outputs, marks = _straight(world, records)
        told.append(outputs)
        held = server._states.get(partition, {})
        if held != {key: world.work.encode(state) for key, state in states.items()}:
            found = {key: world.work.decode(value) for key, value in held.items()}
            raise Wrong(f"the states of {partition.partition} are {found}, in a straight run {states}")
        mark = server._marks[partition]
        if mark.watermarks != marks:
            raise Wrong(f"the watermarks of {partition.partition} are {mark.watermarks}, in a straight run {marks}")
    _check_landed(world, told)
    if world.plan.kind == "database" and Counter(server.outbox) != Counter(chain.from_iterable(told)):
        raise Wrong("the events kept are not those of a straight run, each once")


def _straight(world: World, records: list[Record]) -> tuple[dict[str, Any], list[Output], Marks]:
    fold, states, marks = world.work.fold(), States[Any]({}), Marks()
    outputs = step_through(fold, records, [fold.decode(record) for record in records], states, marks)
    return states.changes(), outputs, marks


def _check_landed(world: World, told: list[list[Output]]) -> None:
    """Per output partition and source the first appearances are the straight run's, in its order; a repeat is as the
    first, and nothing else is there."""
    identity = world.work.identity
    wheres = {(one.topic, one.partition) for outputs in told for one in outputs}
    wheres |= {(where.topic, where.partition) for where in world.log.records if where not in world.inputs}
    for where in sorted(wheres):
        landed = _landed(world, where)
        for outputs in told:
            expected = {identity(one.value): one.value for one in outputs if (one.topic, one.partition) == where}
            found = {name: value for name, value in landed.items() if name in expected}
            if list(found.items()) != list(expected.items()):
                raise Wrong(f"{where[0]}/{where[1]} tells {list(found.values())}, expected {list(expected.values())}")
            landed = {name: value for name, value in landed.items() if name not in expected}
        if landed:
            raise Wrong(f"{where[0]}/{where[1]} tells {list(landed)}, which no straight run tells")


def _landed(world: World, where: tuple[str, int]) -> dict[str, bytes]:
    landed: dict[str, bytes] = {}
    for partition, records in world.log.records.items():
        if (partition.topic, partition.partition) == where:
            for _, record in sorted(records.items()):
                value = record.value or b""
                name = world.work.identity(value)
                if landed.setdefault(name, value) != value:
                    raise Wrong(f"{name} was told as {value!r} and as {landed[name]!r}")
    return landed
