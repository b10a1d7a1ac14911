from pathlib import Path

import httpx

from services.ledger.app import build
from services.ledger.settings import Settings
from shared.devkeys import write_development_keys
from shared.service import application


async def test_what_the_ledger_serves(tmp_path: Path) -> None:
    write_development_keys(tmp_path)
    settings = Settings(
        kafka_bootstrap="127.0.0.1:1",
        http_port=1,
        secrets_dir=tmp_path,
        postgres_url="postgresql://relief@127.0.0.1:1/x",
    )
    # Without its lifespan: nothing is started.
    app = application(build(settings))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ledger") as client:
        # It tells nobody anything, so it has no publisher that could fail.
        assert set((await client.get("/readyz")).json()["wrong"]) == {"relief-ledger", "store"}
        channels = (await client.get("/asyncapi.json")).json()["channels"]
        assert {channel["address"] for channel in channels.values()} == {"ledger.exemptions.v1", "ledger.refunds.v1"}
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert {"/v1/trial-balance", "/v1/enterprises/{uscc}/postings"} <= set(paths)
