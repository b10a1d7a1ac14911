import base64
import json
import secrets
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.payments.vault import Vault, VaultError
from shared.keyfiles import KeyFileError

PAYEE = json.dumps({"account_name": "某某有限公司", "account_number": "6222020200112233445"}).encode()
PAYMENT = "0123456789abcdef" * 2


def key(name: str, size: int = 32) -> dict[str, str]:
    secret = base64.urlsafe_b64encode(secrets.token_bytes(size)).decode().rstrip("=")
    return {"kty": "oct", "kid": name, "k": secret}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vault") / "vault.jwks.json"


def vault(file: Path, *keys: dict[str, str]) -> Vault:
    file.write_text(json.dumps({"keys": keys}))
    return Vault(file)


OLD, NEW = key("2020-01"), key("2020-07")


@settings(deadline=None)
@given(st.binary(max_size=600), st.text(max_size=40))
def test_what_is_put_comes_back_for_its_own_payment(file: Path, payee: bytes, context: str) -> None:
    one = vault(file, OLD)
    assert one.get(one.put(payee, context), context) == payee


@settings(deadline=None)
@given(st.data())
def test_any_changed_character_is_noticed(file: Path, data: st.DataObject) -> None:
    one = vault(file, OLD, NEW)
    stored = one.put(PAYEE, PAYMENT)
    position = data.draw(st.integers(0, len(stored) - 1))
    other = data.draw(st.sampled_from("ABCabc019-_=.+/ \né").filter(lambda character: character != stored[position]))
    with pytest.raises(VaultError):
        one.get(stored[:position] + other + stored[position + 1 :], PAYMENT)


@settings(deadline=None)
@given(st.data())
def test_any_changed_bit_is_noticed(file: Path, data: st.DataObject) -> None:
    one = vault(file, OLD)
    head, _, text = one.put(PAYEE, PAYMENT).rpartition(".")
    sealed = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = base64.urlsafe_b64encode(sealed).decode().rstrip("=")
    with pytest.raises(VaultError, match="altered"):
        one.get(f"{head}.{changed}", PAYMENT)


def test_the_last_character_has_one_way_of_being_written(file: Path) -> None:
    """Base64 leaves bits of it unused: without a check two texts would be one value."""
    one = vault(file, OLD)
    stored = one.put(b"x" * 4, PAYMENT)
    assert len(stored.rpartition(".")[2]) % 4, "there are unused bits"
    opened = 0
    for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        try:
            one.get(stored[:-1] + other, PAYMENT)
            opened += 1
        except VaultError:
            assert other != stored[-1]
    assert opened == 1


@settings(deadline=None)
@given(st.text(max_size=40))
def test_a_payee_does_not_open_for_another_payment(file: Path, context: str) -> None:
    one = vault(file, OLD)
    if context != PAYMENT:
        with pytest.raises(VaultError, match="another payment"):
            one.get(one.put(PAYEE, PAYMENT), context)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_what_was_never_stored_is_refused_in_a_sentence(file: Path, stored: str) -> None:
    one = vault(file, OLD)
    with pytest.raises(VaultError, match=r"\.$"):
        one.get(stored, PAYMENT)


def test_twice_the_same_payee_is_stored_as_two_values_and_without_its_text(file: Path) -> None:
    one = vault(file, OLD)
    first, second = one.put(PAYEE, PAYMENT), one.put(PAYEE, PAYMENT)
    assert first != second
    assert first.startswith("v1.2020-01.")
    text = first.rpartition(".")[2]
    assert b"6222" not in base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_keys_are_turned_over(file: Path) -> None:
    before = vault(file, OLD)
    stored = before.put(PAYEE, PAYMENT)
    assert before.key_id == "2020-01"
    both = vault(file, NEW, OLD)
    assert both.get(stored, PAYMENT) == PAYEE
    assert both.key_id == "2020-07"
    renewed = both.rotate(stored, PAYMENT)
    assert renewed.startswith("v1.2020-07.")
    after = vault(file, NEW)
    assert after.get(renewed, PAYMENT) == PAYEE
    with pytest.raises(VaultError, match="2020-01, which is not in the key file"):
        after.get(stored, PAYMENT)
    with pytest.raises(VaultError, match="another payment"):
        both.rotate(stored, PAYMENT[::-1])


def test_a_value_does_not_open_under_another_key_of_the_same_name(file: Path) -> None:
    stored = vault(file, OLD).put(PAYEE, PAYMENT)
    with pytest.raises(VaultError, match="altered"):
        vault(file, key("2020-01")).get(stored, PAYMENT)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"keys": []}', "holds no"),
        ('{"keys": {}}', "Key Set"),
        ("[]", "JSON object"),
        ("", "not JSON"),
        (json.dumps({"keys": [key("short", 16)]}), "256 bits"),
        (json.dumps({"keys": [key("a.b")]}), "key id"),
        (json.dumps({"keys": [OLD, OLD]}), "two keys"),
        (json.dumps({"keys": [{"kty": "OKP", "crv": "X25519", "x": "A" * 43, "kid": "x"}]}), "symmetric"),
    ],
)
def test_a_key_file_that_cannot_be_used_is_named(file: Path, content: str, words: str) -> None:
    file.write_text(content)
    with pytest.raises(KeyFileError, match=words) as problem:
        Vault(file)
    assert str(file) in str(problem.value)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"nothing\.json cannot be read"):
        Vault(tmp_path / "nothing.json")
