"""What of an address a person gets to see."""

import pytest

from deploy.local.addresses import shown


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("redis://:hidden@host/0", "redis://@host/0"),
        ("redis://me:hid@den/x@host:1/0", "redis://me@host:1/0"),
        (
            "rediss://host/0?username=me&password=hidden&ssl_ca_certs=x",
            "rediss://host/0?username=me&password=***&ssl_ca_certs=x",
        ),
        ("postgresql://me@host/relief", "postgresql://me@host/relief"),
        ("postgresql://me:hidden@host/relief", "postgresql://me@host/relief"),
        ("host=db password=hidden user=me", "host=db password=*** user=me"),
        (r"host=db password='hid\' den' user=me", "host=db password=*** user=me"),
    ],
)
def test_a_password_is_left_out(address: str, expected: str) -> None:
    assert shown(address) == expected
