import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.holdover.domain.terms import Terms
from services.holdover.packs import NoTerms, terms_of
from services.holdover.shelf import Shelf
from shared.streaming.errors import Retry
from shared.streaming.kafka_access import KafkaAccess

PACKS = Path(__file__).parents[1] / "eligibility" / "policy"


def content(name: str = "xinjiang-2020") -> dict[str, Any]:
    files = sorted((PACKS / name).glob("*.yaml"))
    found: dict[str, Any] = json.loads(
        json.dumps({file.name: yaml.safe_load(file.read_text("utf-8")) for file in files}, default=str)
    )
    return found


def sha(of: dict[str, Any]) -> str:
    canonical = json.dumps(of, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def published(of: dict[str, Any], sha256: str | None = None) -> bytes:
    identity = sha256 or sha(of)
    return json.dumps(
        {
            "specversion": "1.0",
            "id": identity,
            "source": "/relief/cli",
            "type": "relief.pack.published.v1",
            "subject": identity,
            "time": "2020-02-01T00:00:00+08:00",
            "data": {"pack": "xinjiang-2020", "version": "1", "sha256": identity, "content": of},
        }
    ).encode()


def test_the_terms_are_those_of_the_pack() -> None:
    window = date(2020, 2, 1), date(2020, 6, 30)
    assert terms_of(content(), sha(content()), 7) == Terms(*window, date(2020, 7, 1), 6, 15, 7)


def test_the_values_in_force_on_the_windows_first_day_count() -> None:
    pack = content()
    pack["holdover.yaml"]["instalments"]["values"] = [
        {"since": "2020-01-01", "value": 3},
        {"since": "2020-02-01", "value": 12},
        {"since": "2020-02-02", "value": 24},
    ]
    assert terms_of(pack, sha(pack), 7).instalments == 12


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        ("instalments", [{"since": "2020-02-01", "value": None}]),
        ("instalments", [{"since": "2020-02-01", "value": 0}]),
        ("instalments", [{"since": "2020-02-01", "value": True}]),
        ("grace_days", [{"since": "2020-02-01", "value": -1}]),
        ("grace_days", [{"since": "2020-02-02", "value": 15}]),
        ("repay_from", [{"since": "2020-02-01", "value": "July"}]),
        ("repay_from", []),
    ],
)
def test_a_pack_without_terms_is_refused(parameter: str, values: list[Any]) -> None:
    pack = content()
    pack["holdover.yaml"][parameter]["values"] = values
    with pytest.raises(NoTerms, match="has no terms for a holdover"):
        terms_of(pack, sha(pack), 7)


def test_a_pack_that_is_not_the_one_its_hash_says_is_refused() -> None:
    with pytest.raises(NoTerms, match="another hash"):
        terms_of(content(), "0" * 64, 7)


def test_the_shelf_has_what_was_published_and_waits_for_the_rest() -> None:
    shelf = Shelf(KafkaAccess("127.0.0.1:1"), 5)
    with pytest.raises(Retry, match=r"relief policy activate"):
        shelf.by_hash(sha(content()))
    other = content()
    other["holdover.yaml"]["repay_from"]["values"] = []
    for value in (None, b"{}", b"\xff", published(content(), "0" * 64), published(other), published(content())):
        shelf.put(value)
    assert shelf.by_hash(sha(content())).remind_days == 5
    for missing in ("0" * 64, sha(other)):
        with pytest.raises(Retry):
            shelf.by_hash(missing)
