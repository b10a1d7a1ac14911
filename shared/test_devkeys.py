import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.access import Principal, TokenVerifier
from shared.devkeys import DEVELOPMENT_ISSUER, ISSUER_PUBLIC, issue_development_token, write_development_keys
from shared.keyfiles import KeyFileError


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_every_file_is_there_and_private_ones_are_for_their_owner_only(tmp_path: Path) -> None:
    write_development_keys(tmp_path / "keys")
    assert sorted(contents(tmp_path / "keys")) == [
        "digest.key",
        "holdover.jwks.json",
        "holdover.private.jwks.json",
        "issuer.jwks.json",
        "issuer.private.jwk.json",
        "operators.private.jwks.json",
        "operators.public.jwk.json",
        "payments.private.jwks.json",
        "payments.public.jwk.json",
        "vault.jwks.json",
    ]
    for path in (tmp_path / "keys").iterdir():
        if "private" in path.name or path.name in ("digest.key", "vault.jwks.json"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
        else:
            assert b'"d"' not in path.read_bytes(), path.name


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    write_development_keys(tmp_path)
    before = contents(tmp_path)
    write_development_keys(tmp_path)
    assert contents(tmp_path) == before


def test_a_lost_public_file_is_derived_again(tmp_path: Path) -> None:
    write_development_keys(tmp_path)
    before = contents(tmp_path)
    (tmp_path / "payments.public.jwk.json").unlink()
    write_development_keys(tmp_path)
    assert contents(tmp_path) == before


def test_runs_at_once_agree_and_leave_no_drafts(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write_development_keys, [tmp_path] * 8))
    write_development_keys(tmp_path)
    assert not [name for name in contents(tmp_path) if name.startswith(".")]
    public = json.loads((tmp_path / "operators.public.jwk.json").read_text())
    private = json.loads((tmp_path / "operators.private.jwks.json").read_text())["keys"][0]
    assert public["x"] == private["x"]


def test_a_broken_key_file_is_named(tmp_path: Path) -> None:
    write_development_keys(tmp_path)
    (tmp_path / "payments.private.jwks.json").write_text("{")
    with pytest.raises(KeyFileError, match=r"payments\.private\.jwks\.json is not JSON"):
        write_development_keys(tmp_path)


def test_a_development_token_is_taken_by_the_verifier(tmp_path: Path) -> None:
    write_development_keys(tmp_path)
    token = issue_development_token(tmp_path, "enterprise", "owner", "91420100MA4KXXXX0X")
    principal = TokenVerifier(tmp_path / ISSUER_PUBLIC, DEVELOPMENT_ISSUER).verify(token)
    assert principal == Principal("owner", frozenset({"enterprise"}), "91420100MA4KXXXX0X")


def test_a_supplier_is_named_in_its_token(tmp_path: Path) -> None:
    write_development_keys(tmp_path)
    token = issue_development_token(tmp_path, "supplier", "control room", None, supplier_id="grid-6501")
    principal = TokenVerifier(tmp_path / ISSUER_PUBLIC, DEVELOPMENT_ISSUER).verify(token)
    assert principal == Principal("control room", frozenset({"supplier"}), None, "grid-6501")


def test_an_unknown_role_gets_no_token(tmp_path: Path) -> None:
    write_development_keys(tmp_path)
    with pytest.raises(ValueError, match="Unknown role root"):
        issue_development_token(tmp_path, "root", "x", None)
