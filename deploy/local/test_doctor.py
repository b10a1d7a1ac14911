from pathlib import Path

from deploy.local.doctor import examine
from deploy.local.stack import Stack
from deploy.local.testing import environ
from shared.devkeys import write_development_keys


def test_a_private_key_that_others_may_read_is_told_of_and_a_public_one_is_not(tmp_path: Path) -> None:
    stack = Stack(tmp_path, (), prefer_defaults=False, environ=environ())
    secrets = stack.state / "secrets"
    write_development_keys(secrets)
    assert not [one for one in examine(stack) if str(secrets) in one.sentence]
    for name in ("digest.key", "vault.jwks.json", "payments.private.jwks.json"):
        (secrets / name).chmod(0o644)
    told = [one.sentence for one in examine(stack) if str(secrets) in one.sentence]
    assert len(told) == 3
    assert all("chmod 600" in sentence for sentence in told)
