"""The synthetic region: enterprises one after another, each with every fact that is true of it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from services.simulator.applying import application_facts, applies
from services.simulator.contributions import contribution_facts, registration_facts
from services.simulator.dues import utility_facts
from services.simulator.firm import Firm, draw_firm
from services.simulator.labour import headcounts, labour_facts
from services.simulator.wire import Fact


@dataclass(frozen=True, slots=True)
class Enterprise:
    """`facts` are what the authorities know, each exactly once and right, in no particular order. Of a bill that its
    supplier corrected both versions are there.
    """

    firm: Firm
    facts: tuple[Fact, ...]


def enterprise(index: int, seed: int) -> Enterprise:
    """Enterprise `index` of the region `seed`: the same one whatever the region's size."""
    rng = random.Random(f"{seed}/{index}")  # noqa: S311 - a simulation, not a secret
    firm = draw_firm(index, seed, rng)
    counts = headcounts(firm, rng)
    facts = registration_facts(firm, rng)
    facts += labour_facts(firm, counts, rng)
    facts += contribution_facts(firm, counts, rng)
    strained = applies(firm, rng)
    dues, accounts = utility_facts(firm, strained, rng)
    facts += dues
    facts += application_facts(firm, strained, accounts, rng)
    return Enterprise(firm, tuple(facts))


def region(enterprises: int, seed: int) -> Iterator[Enterprise]:
    """`enterprises` enterprises, one at a time; ValueError below 1."""
    if enterprises < 1:
        raise ValueError(f"a region needs at least one enterprise, not {enterprises}")
    return (enterprise(index, seed) for index in range(enterprises))
