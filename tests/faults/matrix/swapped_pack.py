"""A policy pack with other rates, put in force in the middle of a stream, and the enterprises reviewed."""

import copy
from datetime import datetime
from fractions import Fraction
from typing import Any

from deploy.local.stack import DEFAULT_POLICY_PACK
from services.cli.installation import run
from services.cli.operate import keep_pack, operate
from services.eligibility import packs
from services.intake.operations import pack_activated, review_requested
from shared.calendar import SHANGHAI
from tests.faults.matrix.ground import Ground
from tests.faults.matrix.load import wait_until
from tests.faults.oracle_rules import Rates

# One goes up, and one down: what was paid already is topped up, or claimed back.
RATES = Rates(medical=Fraction(3, 4), southern=Fraction("0.8"), elsewhere=Fraction("0.35"))
# So that there is something to claim back.
_PAID_FIRST = 10


def swapped(ground: Ground) -> str:
    paid = ground.office.bank.paid
    before = len(paid)
    with ground.load.flowing():
        wait_until(lambda: len(paid) >= before + _PAID_FIRST, "the bank's paying")
        _activate(ground, _other(), ground.load.enterprises())
    return f"a pack with other rates activated and {len(ground.load.enterprises())} enterprises reviewed"


def put_back(ground: Ground) -> None:
    """For the regions to come; nobody is reviewed."""
    _activate(ground, packs.load_with_content(packs.directory_of(DEFAULT_POLICY_PACK)), set())
    ground.running.settle()


def _activate(ground: Ground, loaded: packs.Loaded, enterprises: set[str]) -> None:
    at, ref, kafka = datetime.now(SHANGHAI), loaded.pack.ref, ground.running.kafka
    run(keep_pack(kafka, loaded, at))
    why = "the rates have changed"
    reviews = [review_requested(uscc, f"{ref.sha256} {at.isoformat()}", why, at) for uscc in sorted(enterprises)]
    run(operate(kafka, [pack_activated(ref.pack, ref.version, ref.sha256, at), *reviews]))


def _other() -> packs.Loaded:
    content = copy.deepcopy(packs.load_with_content(packs.directory_of(DEFAULT_POLICY_PACK)).content)
    content["pack.yaml"]["version"] = "2"
    refunds, contributions = content["refund.yaml"]["rates"]["sme"], content["contributions.yaml"]["rates"]
    for parameter, share in (
        (refunds["southern"], RATES.southern),
        (refunds["other"], RATES.elsewhere),
        (contributions["medical"]["sme"], RATES.medical),
    ):
        _set(parameter, share)
    return packs.Loaded(packs.from_content(content), content)


def _set(parameter: dict[str, Any], share: Fraction) -> None:
    parameter["values"][0]["value"] = int(share * 10_000)
