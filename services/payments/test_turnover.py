import json
import shutil
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from joserfc.jwk import OctKey

from services.payments.app import SCHEMA
from services.payments.bank.mailbox import DirectoryMailbox
from services.payments.cases import enterprise
from services.payments.office_cases import DEBTORS, Office, open_office
from services.payments.post import Post
from services.payments.turnover import turn_over
from services.payments.vault import Vault
from shared.devkeys import VAULT_KEYS
from shared.streaming.postgres_store import transaction

pytestmark = pytest.mark.integration
A, B = enterprise(1), enterprise(2)


@pytest.fixture
def keys(secrets: Path, tmp_path: Path) -> Path:
    """A copy of the development keys that may be changed."""
    return Path(shutil.copytree(secrets, tmp_path / "keys"))


@pytest.fixture
async def office(database: str, keys: Path, tmp_path: Path) -> AsyncIterator[Office]:
    async with open_office(database, keys, tmp_path / "bank") as opened:
        yield opened


def put_in_front(keys: Path, name: str) -> Vault:
    file = keys / VAULT_KEYS
    older = json.loads(file.read_text())["keys"]
    fresh = OctKey.generate_key(256, {"use": "enc", "kid": name}).as_dict(private=True)
    file.write_text(json.dumps({"keys": [fresh, *older]}))
    return Vault(file)


async def stored(office: Office) -> dict[str, str]:
    return dict(await office.rows("SELECT payment_id, stored FROM payee"))


async def approved(office: Office) -> dict[str, str]:
    return dict(await office.rows("SELECT payment_id, stored FROM approved_payment"))


async def test_what_was_approved_under_the_old_key_goes_to_the_same_account(office: Office, keys: Path) -> None:
    await office.decide(A, 1, 700)
    await office.decide(B, 1, 300)
    await office.start(date(2020, 3, 2))
    await office.approve()
    sent = {path.name: path.read_bytes() for path in (office.root / "out").iterdir()}
    before, old = await stored(office), Vault(keys / VAULT_KEYS)
    accounts = {payment: old.get(value, payment) for payment, value in before.items()}
    new = put_in_front(keys, "fresh")
    assert await turn_over(office.pool, new) == (4, 0, None)
    (keys / VAULT_KEYS).write_text(json.dumps({"keys": json.loads((keys / VAULT_KEYS).read_text())["keys"][:1]}))
    alone = Vault(keys / VAULT_KEYS)
    for after in (await stored(office), await approved(office)):
        assert all(value.startswith("v1.fresh.") for value in after.values())
        assert {payment: alone.get(value, payment) for payment, value in after.items()} == accounts
    assert await turn_over(office.pool, alone) == (0, 0, None)
    # The message is built from the stored accounts, to the same bytes as before.
    for name, content in sent.items():
        async with transaction(office.pool) as db:
            post = Post(office.pool, SCHEMA, DirectoryMailbox(office.root), alone, DEBTORS)
            assert (await post.message(db, name.partition(".")[0], date(2020, 3, 2))).content == content


async def test_the_clerk_turns_keys_over_when_it_starts(database: str, keys: Path, tmp_path: Path) -> None:
    async with open_office(database, keys, tmp_path / "bank") as office:
        await office.decide(A, 1, 700)
        await office.start(date(2020, 3, 2))
        vault = put_in_front(keys, "fresh")
        office.clerk._vault = vault
        await office.clerk.once()
        assert not any(value.startswith("v1.fresh.") for value in (await stored(office)).values())
        await office.start(date(2020, 3, 3))
        await office.clerk.once()
        assert all(value.startswith("v1.fresh.") for value in (await stored(office)).values())


async def test_one_that_does_not_open_is_told_and_stands_in_nobodys_way(office: Office, keys: Path) -> None:
    await office.decide(A, 1, 700)
    await office.decide(B, 1, 300)
    await office.start(date(2020, 3, 2))
    first, second = sorted(await stored(office))
    await office.do(f"UPDATE payee SET stored = replace(stored, 'v1.', 'v1.lost') WHERE payment_id = '{first}'")
    done = await turn_over(office.pool, put_in_front(keys, "fresh"))
    assert (done.renewed, done.unopened) == (1, 1)
    assert done.first_trouble is not None
    assert first in done.first_trouble
    assert "not in the key file" in done.first_trouble
    after = await stored(office)
    assert after[first].startswith("v1.lost")
    assert after[second].startswith("v1.fresh.")


@pytest.mark.parametrize(
    "change",
    ["bank = '103'", "bank = NULL, stored = NULL", "stored = stored || 'A'", "payee_digest = repeat('0', 32)"],
)
async def test_the_database_lets_nothing_change_but_the_key(office: Office, change: str) -> None:
    await office.decide(A, 1, 700)
    await office.start(date(2020, 3, 2))
    with pytest.raises(psycopg.errors.IntegrityError, match="key it is stored under"):
        await office.do(f"UPDATE payee SET {change}")
    with pytest.raises(psycopg.errors.Error, match="immutable"):
        await office.do("DELETE FROM payee")
