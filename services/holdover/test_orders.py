import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OKPKey

from services.holdover.cases import key_files
from services.holdover.orders import FIELDS, OrderError, Signer, Verifier, canonical, order_in, orders_in
from shared.keyfiles import KeyFileError

ORDER: dict[str, Any] = {
    "order_id": "6" * 32,
    "holdover_id": "4" * 32,
    "uscc": "91652901MA00000170",
    "utility": "electricity",
    "supplier_id": "阿克苏供电",
    "account_no": "6529-0001-0017",
    "from_on": "2020-04-01",
    "until_on": "2021-01-15",
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return key_files(tmp_path_factory.mktemp("keys"))


def test_what_is_signed_is_checked(keys: tuple[Path, Path]) -> None:
    signature = Signer(keys[0]).sign(ORDER)
    Verifier(keys[1]).check(ORDER, signature)
    assert Signer(keys[0]).sign(dict(reversed(ORDER.items()))) == signature


def test_the_signature_is_the_librarys_own(keys: tuple[Path, Path]) -> None:
    key = KeySet.import_key_set(json.loads(keys[0].read_text())).keys[0]
    token = jws.serialize_compact({"alg": "Ed25519", "kid": key.kid}, canonical(ORDER), key, algorithms=["Ed25519"])
    assert Signer(keys[0]).sign(ORDER) == jws.detach_content(token)


def test_signed_are_the_fields_of_an_order_in_one_form() -> None:
    assert canonical({"signature": "x", "on": "2020-04-01", **ORDER}).decode() == json.dumps(
        ORDER, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


@given(st.sampled_from(FIELDS), st.text(min_size=1))
def test_any_change_is_found(name: str, value: str) -> None:
    signer, verifier = _pair()
    changed = ORDER | {name: value}
    if changed != ORDER:
        with pytest.raises(OrderError, match="something in it was changed"):
            verifier.check(changed, signer.sign(ORDER))


@cache
def _pair() -> tuple[Signer, Verifier]:
    with TemporaryDirectory() as directory:
        private, public = key_files(Path(directory))
        return Signer(private), Verifier(public)


def test_an_older_keys_order_holds_while_its_key_is_kept(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    old = Signer(keys[0]).sign(ORDER)
    fresh = OKPKey.generate_key("Ed25519", {"use": "sig"})
    fresh.ensure_kid()
    older = KeySet.import_key_set(json.loads(keys[0].read_text())).keys
    (tmp_path / "private").write_text(json.dumps(KeySet([fresh, *older]).as_dict(private=True)))
    (tmp_path / "public").write_text(json.dumps(KeySet([fresh, *older]).as_dict(private=False)))
    (tmp_path / "rotated").write_text(json.dumps(KeySet([fresh]).as_dict(private=False)))
    new = Signer(tmp_path / "private").sign(ORDER)
    assert new != old
    Verifier(tmp_path / "public").check(ORDER, old)
    Verifier(tmp_path / "public").check(ORDER, new)
    with pytest.raises(OrderError, match="not among the public keys"):
        Verifier(tmp_path / "rotated").check(ORDER, old)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "..",
        "a..b",
        "a.b.c",
        "eyJhbGciOiJub25lIn0..",
        "eyJhbGciOiJub25lIn0..x",
        "eyJhbGciOiJFZDI1NTE5In0..x",
        "é..ß",
    ],
)
def test_what_is_no_signature_is_refused(keys: tuple[Path, Path], signature: str) -> None:
    with pytest.raises(OrderError):
        Verifier(keys[1]).check(ORDER, signature)


def test_a_signature_by_another_algorithm_is_refused(keys: tuple[Path, Path]) -> None:
    """Also where it names a key that is known."""
    kid = json.loads(keys[1].read_text())["keys"][0]["kid"]
    key = ECKey.generate_key("P-256", {"kid": kid})
    token = jws.serialize_compact({"alg": "ES256", "kid": kid}, canonical(ORDER), key, algorithms=["ES256"])
    with pytest.raises(OrderError, match="must be Ed25519"):
        Verifier(keys[1]).check(ORDER, jws.detach_content(token))


@pytest.mark.parametrize("where", ["data", "order", ""])
def test_an_order_is_found_in_an_event_and_in_an_answer(where: str) -> None:
    held: dict[str, Any] = {**ORDER, "signature": "a..b", "on": "2020-04-01"}
    assert order_in({where: held} if where else held) == (ORDER, "a..b")


def test_an_answer_has_the_orders_of_its_accounts() -> None:
    first, second = ({**ORDER, "account_no": number, "signature": "a..b"} for number in ("1", "2"))
    answer = {"accounts": [{"order": first}, {"order": None}, {"order": second}]}
    assert orders_in(answer) == [order_in(first), order_in(second)]
    assert orders_in({"data": first}) == [order_in(first)]
    with pytest.raises(OrderError, match="no supply is protected"):
        orders_in({"accounts": [{"order": None}]})
    with pytest.raises(OrderError, match="must be a JSON object"):
        orders_in({"accounts": [first, "x"]})
    with pytest.raises(OrderError, match="has no order_id"):
        orders_in({"accounts": [{"order": 5}]})


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "must be a JSON object"),
        ("x", "must be a JSON object"),
        ({"type": "relief.holdover.opened.v1", "data": {}}, r"relief\.holdover\.opened\.v1 is no order"),
        ({"data": {**ORDER}}, "has no signature"),
        ({"data": {**ORDER, "signature": 5}}, "has no signature"),
        ({}, "has no order_id, holdover_id"),
    ],
)
def test_what_is_no_order_says_so(document: object, sentence: str) -> None:
    with pytest.raises(OrderError, match=sentence):
        order_in(document)


def test_key_files_that_do_not_do_say_why(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(KeyFileError, match="public"):
        Signer(keys[1])
    other = ECKey.generate_key("P-256", {"use": "sig"})
    other.ensure_kid()
    (tmp_path / "other").write_text(json.dumps(KeySet([other]).as_dict(private=True)))
    with pytest.raises(KeyFileError, match="not an Ed25519 key"):
        Signer(tmp_path / "other")
    (tmp_path / "none").write_text('{"keys": []}')
    with pytest.raises(KeyFileError):
        Verifier(tmp_path / "none")
    with pytest.raises(KeyFileError, match="cannot be read"):
        Signer(tmp_path / "missing")
