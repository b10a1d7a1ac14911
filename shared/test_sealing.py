import base64
import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import KeySet, OKPKey

from shared.devkeys import DIGEST_KEY, write_development_keys
from shared.keyfiles import KeyFileError, read_digest_key, read_key
from shared.sealing import Sealer, Unsealer, UnsealError, payee_digest

SECRET = bytes(range(32))
PAYEE = json.dumps({"account_name": "某某有限公司", "account_number": "6222020200112233445"}).encode()
# An X25519 key made of counted bytes, so the token below can be pinned.
FIXED = OKPKey.derive_key(b"fixed", "X25519", {"kid": "fixed"})
# Worked out by a second implementation written from RFC 7516, 7518 and 8037 alone.
PINNED = (
    "eyJhbGciOiJFQ0RILUVTIiwiZW5jIjoiQTI1NkdDTSIsImtpZCI6ImZpeGVkIiwiYXB1IjoiNm5lU29tOUFYaXJweHZTY3FUdS1Z"
    "QSIsImVwayI6eyJjcnYiOiJYMjU1MTkiLCJ4IjoiejhteE5yWTZqQnhPeDJRYU1VSl9pNlMxNHJvVXB4UVgxTXRLNWZyc2VXayIs"
    "Imt0eSI6Ik9LUCJ9fQ..TxrXN4m1UckfbgNe.z5LlJZQ.HTsYhm_NKX8R7z8AT7M5_Q"
)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    write_development_keys(tmp_path)
    return tmp_path


def sealer(keys: Path, secret: bytes = SECRET) -> Sealer:
    return Sealer(keys / "payments.public.jwk.json", secret)


def unsealer(keys: Path) -> Unsealer:
    return Unsealer(keys / "payments.private.jwks.json")


def test_what_is_sealed_opens_for_its_reader_and_its_context(keys: Path) -> None:
    token = sealer(keys).seal(PAYEE, b"91420100MA4KXXXX0X")
    assert unsealer(keys).unseal(token) == PAYEE
    assert unsealer(keys).unseal(token, b"91420100MA4KXXXX0X") == PAYEE
    with pytest.raises(UnsealError, match="another record"):
        unsealer(keys).unseal(token, b"91420100MA4KYYYY0Y")


def test_a_repeat_gives_the_same_bytes_in_every_process_that_has_the_secret(keys: Path) -> None:
    assert sealer(keys).seal(PAYEE, b"c") == sealer(keys).seal(PAYEE, b"c")


@pytest.mark.parametrize(
    ("plaintext", "context", "secret"),
    [(PAYEE + b" ", b"c", SECRET), (PAYEE, b"d", SECRET), (PAYEE, b"c", SECRET[::-1])],
    ids=["another plaintext", "another context", "another secret"],
)
def test_any_difference_gives_another_content_key(keys: Path, plaintext: bytes, context: bytes, secret: bytes) -> None:
    def key_and_iv(token: str) -> tuple[str, str]:
        header = json.loads(_decode(token.split(".")[0]))
        return header["epk"]["x"], token.split(".")[2]

    mine, other = key_and_iv(sealer(keys).seal(PAYEE, b"c")), key_and_iv(sealer(keys, secret).seal(plaintext, context))
    assert mine[0] != other[0]
    assert mine[1] != other[1]


def test_where_context_ends_and_plaintext_begins_is_part_of_the_input(keys: Path) -> None:
    first, second = sealer(keys).seal(b"c", b"ab"), sealer(keys).seal(b"bc", b"a")
    assert json.loads(_decode(first.split(".")[0]))["epk"] != json.loads(_decode(second.split(".")[0]))["epk"]


def test_the_bytes_do_not_change_with_a_new_version_of_the_code_or_the_library(tmp_path: Path) -> None:
    (tmp_path / "public.json").write_text(json.dumps(FIXED.as_dict(private=False)))
    assert Sealer(tmp_path / "public.json", SECRET).seal(b"payee", b"context") == PINNED


def test_the_result_is_an_ordinary_jwe_that_hides_its_content(keys: Path) -> None:
    token = sealer(keys).seal(PAYEE, b"c")
    key = read_key(keys / "payments.public.jwk.json")
    header = json.loads(_decode(token.split(".")[0]))
    assert (header["alg"], header["enc"], header["kid"]) == ("ECDH-ES", "A256GCM", key.kid)
    private = KeySet.import_key_set(json.loads((keys / "payments.private.jwks.json").read_text()))
    assert jwe.decrypt_compact(token, private, algorithms=["ECDH-ES", "A256GCM"]).plaintext == PAYEE
    assert b"6222020200112233445" not in b"".join(_decode(part) for part in token.split("."))


def test_old_keys_in_the_file_open_old_values(keys: Path) -> None:
    old = sealer(keys).seal(PAYEE, b"c")
    path = keys / "payments.private.jwks.json"
    newest = OKPKey.generate_key("X25519", {"use": "enc"}, auto_kid=True).as_dict(private=True)
    path.write_text(json.dumps({"keys": [newest, *json.loads(path.read_text())["keys"]]}))
    write_development_keys(keys)  # publishes the newest
    new = sealer(keys).seal(PAYEE, b"c")
    assert old != new
    assert [unsealer(keys).unseal(token) for token in (old, new)] == [PAYEE, PAYEE]


def test_a_value_for_another_service_is_refused_with_the_key_it_needs(keys: Path) -> None:
    token = Sealer(keys / "operators.public.jwk.json", SECRET).seal(PAYEE, b"c")
    kid = read_key(keys / "operators.public.jwk.json").kid
    with pytest.raises(UnsealError, match=str(kid)):
        unsealer(keys).unseal(token)


def test_every_altered_part_is_noticed(keys: Path) -> None:
    token = sealer(keys).seal(PAYEE, b"c")
    for place in range(0, len(token), 7):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(UnsealError):
            unsealer(keys).unseal(changed)


@given(junk=st.text(max_size=60) | st.from_regex(r"eyJ[\w-]{0,30}(\.[\w-]{0,20}){4}", fullmatch=True))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_junk_is_an_unseal_error_and_nothing_else(keys: Path, junk: str) -> None:
    with pytest.raises(UnsealError):
        unsealer(keys).unseal(junk)


def test_a_quarter_mebibyte_of_rejected_bytes_fits(keys: Path) -> None:
    raw = bytes(256 * 1024)
    assert unsealer(keys).unseal(sealer(keys).seal(raw, b"upstream.tax.v1/3/17")) == raw


def test_payee_digest_is_keyed_and_short() -> None:
    assert payee_digest(SECRET, PAYEE) == payee_digest(SECRET, PAYEE)
    assert len(payee_digest(SECRET, PAYEE)) == 32
    assert payee_digest(SECRET, PAYEE) != payee_digest(SECRET[::-1], PAYEE)
    assert payee_digest(SECRET, PAYEE) != payee_digest(SECRET, PAYEE + b" ")


def test_wrong_key_files_are_told_by_name(keys: Path) -> None:
    with pytest.raises(KeyFileError, match=r"issuer\.jwks\.json"):
        Sealer(keys / "issuer.jwks.json", SECRET)
    with pytest.raises(KeyFileError, match=r"absent\.json cannot be read"):
        Sealer(keys / "absent.json", SECRET)
    with pytest.raises(KeyFileError, match="at least 32 bytes"):
        sealer(keys, b"short")
    (keys / "private.json").write_text(json.dumps(FIXED.as_dict(private=True)))
    with pytest.raises(KeyFileError, match="holds a private key"):
        Sealer(keys / "private.json", SECRET)
    (keys / DIGEST_KEY).write_text("c2hvcnQ=\n")
    with pytest.raises(KeyFileError, match="32 bytes"):
        read_digest_key(keys / DIGEST_KEY)


def test_a_region_of_payees_is_sealed_in_minutes(keys: Path) -> None:
    tool = sealer(keys)
    started = time.process_time()
    for number in range(500):
        tool.seal(PAYEE + str(number).encode(), b"c")
    # Measured at 6,000 a second of CPU; the bound only catches an order of magnitude.
    assert time.process_time() - started < 1.0


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
