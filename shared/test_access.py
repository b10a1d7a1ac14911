import base64
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet, OctKey, RSAKey

from shared.access import Principal, TokenVerifier
from shared.keyfiles import KeyFileError
from shared.problems import Problem

ISSUER = "https://issuer.example"
USCC = "91420100MA4KXXXX0X"
EC_KEY = ECKey.generate_key("P-256", auto_kid=True)
RSA_KEY = RSAKey.generate_key(2048, auto_kid=True)


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    publish(path, EC_KEY, RSA_KEY)
    return path


def publish(path: Path, *keys: Key) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(KeySet(list(keys)).as_dict(private=False)))
    draft.replace(path)


def token(key: Key = EC_KEY, algorithm: str = "ES256", header: dict[str, Any] | None = None, **changes: Any) -> str:
    claims = {"iss": ISSUER, "aud": "relief", "sub": "s", "roles": ["operator"], "exp": int(time.time()) + 60}
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    header = {"alg": algorithm, "kid": key.kid} if header is None else header
    return jwt.encode(header, claims, key, algorithms=[algorithm])


@pytest.mark.parametrize(("key", "algorithm"), [(EC_KEY, "ES256"), (RSA_KEY, "RS256")])
def test_a_good_token_gives_its_principal(jwks: Path, key: Key, algorithm: str) -> None:
    found = TokenVerifier(jwks, ISSUER).verify(token(key, algorithm, roles=["enterprise", "elsewhere"], uscc=USCC))
    assert found == Principal("s", frozenset({"enterprise"}), USCC)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "other"},
        {"aud": None},
        {"iss": "https://other.example"},
        {"iss": None},
        {"exp": None},
        {"exp": "soon"},
        {"sub": None},
        {"sub": 7},
        {"sub": "x" * 201},
        {"roles": None},
        {"roles": "operator"},
        {"roles": [1]},
        {"uscc": "short"},
        {"uscc": 1},
        {"supplier_id": ""},
        {"supplier_id": "x" * 257},
        {"supplier_id": 7},
        {"nbf": 9_999_999_999},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_or_missing_claim_is_refused(jwks: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(Problem) as caught:
        TokenVerifier(jwks, ISSUER).verify(token(**changes))
    assert caught.value.status == 401


@pytest.mark.parametrize(("seconds_after", "taken"), [(29, True), (30, False), (31, False)])
def test_expiry_has_thirty_seconds_of_leeway(jwks: Path, seconds_after: int, taken: bool) -> None:
    signed = token(exp=1_000_000)
    verifier = TokenVerifier(jwks, ISSUER, clock=lambda: 1_000_000 + seconds_after)
    if taken:
        verifier.verify(signed)
    else:
        with pytest.raises(Problem, match="expired"):
            verifier.verify(signed)


def test_algorithms_outside_the_list_are_refused(jwks: Path) -> None:
    verifier = TokenVerifier(jwks, ISSUER)
    claims = {"iss": ISSUER, "aud": "relief", "sub": "s", "roles": ["operator"], "exp": int(time.time()) + 60}
    # The classic confusion: the public key's own text as an HMAC secret.
    signed = _compact({"alg": "HS256", "kid": EC_KEY.kid}, claims)
    hmac_signed = signed + b"." + _base64(hmac.digest(EC_KEY.as_pem(private=False), signed, "sha256"))
    unsigned = _compact({"alg": "none", "kid": EC_KEY.kid}, claims) + b"."
    larger = ECKey.generate_key("P-384", auto_kid=True)
    publish(jwks, EC_KEY, RSA_KEY, larger)
    for bad in (hmac_signed.decode(), token(RSA_KEY, "PS256"), token(larger, "ES384"), unsigned.decode()):
        with pytest.raises(Problem) as caught:
            verifier.verify(bad)
        assert caught.value.status == 401


def test_a_foreign_key_under_a_known_id_and_a_token_without_a_known_id_are_refused(jwks: Path) -> None:
    publish(jwks, EC_KEY)
    forged = ECKey.generate_key("P-256", {"kid": str(EC_KEY.kid)})
    unknown = {"alg": "ES256", "kid": "unknown"}
    for bad in (token(forged), token(header={"alg": "ES256"}), token(header=unknown)):
        with pytest.raises(Problem) as caught:
            TokenVerifier(jwks, ISSUER).verify(bad)
        assert caught.value.status == 401


def test_keys_rotate_without_a_restart_and_a_broken_file_changes_nothing(jwks: Path) -> None:
    verifier = TokenVerifier(jwks, ISSUER)
    fresh = ECKey.generate_key("P-256", auto_kid=True)
    with pytest.raises(Problem):
        verifier.verify(token(fresh))
    publish(jwks, EC_KEY, fresh)
    verifier.verify(token(fresh))
    verifier.verify(token(EC_KEY))
    publish(jwks, fresh)
    with pytest.raises(Problem):
        verifier.verify(token(EC_KEY))
    jwks.write_text("{ half a fi")
    verifier.verify(token(fresh))
    jwks.unlink()
    verifier.verify(token(fresh))


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_key_file_with_a_private_symmetric_or_short_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    for key, word in (
        (EC_KEY, "is private"),
        (OctKey.generate_key(256), "neither EC nor RSA"),
        (RSAKey.generate_key(1024, private=False), "too short"),
    ):
        path.write_text(json.dumps(KeySet([key]).as_dict(private=key.is_private)))
        with pytest.raises(KeyFileError, match=word):
            TokenVerifier(path, ISSUER)


@given(
    junk=st.text(max_size=80) | st.from_regex(r"eyJ[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}", fullmatch=True),
    header=st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=4),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_junk_is_a_401_and_nothing_else(jwks: Path, junk: str, header: Any) -> None:
    verifier = TokenVerifier(jwks, ISSUER)
    odd = base64.urlsafe_b64encode(json.dumps(header).encode()).decode() + ".e30.AA"
    for text in (junk, odd):
        with pytest.raises(Problem) as caught:
            verifier.verify(text)
        assert caught.value.status == 401


@pytest.mark.parametrize(
    ("roles", "own", "may"),
    [
        ({"enterprise"}, USCC, True),
        ({"enterprise"}, "91420100MA4KYYYY0Y", False),
        ({"enterprise"}, None, False),
        ({"enterprise", "liaison"}, None, False),
        ({"liaison"}, None, True),
        ({"supplier"}, USCC, False),
        (set(), None, False),
    ],
)
def test_an_enterprise_acts_for_itself_only(roles: set[str], own: str | None, may: bool) -> None:
    assert Principal("s", frozenset(roles), own).may_act_for(USCC) is may


@pytest.mark.parametrize(
    ("roles", "own", "may"),
    [
        ({"supplier"}, "grid", True),
        ({"supplier"}, "waterworks", False),
        ({"supplier"}, None, False),
        ({"supplier", "auditor"}, "waterworks", False),
        ({"auditor"}, None, True),
        ({"enterprise"}, "grid", False),
        (set(), "grid", False),
    ],
)
def test_a_supplier_sees_its_own_accounts_only(roles: set[str], own: str | None, may: bool) -> None:
    assert Principal("s", frozenset(roles), USCC, own).may_see_supplier("grid") is may


def test_a_token_names_the_supplier_it_speaks_for(jwks: Path) -> None:
    found = TokenVerifier(jwks, ISSUER).verify(token(roles=["supplier"], supplier_id="g" * 256))
    assert found == Principal("s", frozenset({"supplier"}), None, "g" * 256)


def _base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _compact(header: dict[str, Any], claims: dict[str, Any]) -> bytes:
    return _base64(json.dumps(header).encode()) + b"." + _base64(json.dumps(claims).encode())
