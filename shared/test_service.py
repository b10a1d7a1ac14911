from pathlib import Path
from types import SimpleNamespace

from shared.access import TokenVerifier
from shared.devkeys import write_development_keys
from shared.gate import Gate
from shared.limits import Limiter
from shared.service import Service, ServiceSettings, application


class Watched(Limiter):
    closed = 0

    async def close(self) -> None:
        self.closed += 1
        await super().close()


async def test_the_gate_is_closed_when_the_service_ends_also_where_it_could_not_start(tmp_path: Path) -> None:
    write_development_keys(tmp_path)
    settings = ServiceSettings(kafka_bootstrap="127.0.0.1:1", http_port=1, secrets_dir=tmp_path)
    limiter = Watched(None, "probe")
    gate = Gate(TokenVerifier(settings.token_keys, settings.token_issuer), limiter)
    app = application(Service("probe", settings, settings.kafka("probe"), gate, inputs=()))
    app.state.server = SimpleNamespace(should_exit=False)
    async with app.router.lifespan_context(app):
        assert app.state.server.should_exit, "there is no Kafka"
        assert limiter.closed == 0
    assert limiter.closed == 1
