"""A key file that others may read is told of where it is read."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, KeySet
from structlog.testing import capture_logs

from shared.keyfiles import read_digest_key, read_key, read_key_set

KEY = ECKey.generate_key("P-256", auto_kid=True)
FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "key": (read_key, json.dumps(KEY.as_dict(private=True))),
    "keys": (read_key_set, json.dumps(KeySet([KEY]).as_dict(private=True))),
    "digest": (read_digest_key, base64.b64encode(b"x" * 32).decode()),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize(("mode", "told"), [(0o600, 0), (0o400, 0), (0o640, 0), (0o644, 1), (0o604, 1), (0o620, 1)])
def test_a_private_file_that_others_may_use_is_told_of(tmp_path: Path, kind: str, mode: int, told: int) -> None:
    read, text = FILES[kind]
    path = tmp_path / "file"
    path.write_text(text)
    path.chmod(mode)
    with capture_logs() as logs:
        read(path)
    assert len(logs) == told
    assert all(str(path) in line["reason"] and "chmod 600" in line["reason"] for line in logs)


def test_a_public_file_is_for_everybody(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(json.dumps(KeySet([KEY]).as_dict(private=False)))
    path.chmod(0o644)
    with capture_logs() as logs:
        read_key_set(path)
    assert not logs
