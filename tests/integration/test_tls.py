"""Our clients over TLS, to the real servers.

Those of the wheels are built without it, so a proxy of the test's ends TLS before them: what a client checks, and what
it says when it does not trust, is the same.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from limits import parse

from deploy.local.stack import Stack
from services.ledger.app import MIGRATIONS
from services.ledger.store.rows import PostingRows
from shared.backings import on_postgres, on_redis
from shared.limits import Limiter
from shared.streaming.errors import Stop
from tests.integration.test_refused_access import Access

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

_SSL_REQUEST_BYTES = 8


class Authority:
    """A certificate authority in a directory: `ca`, and what it signed for a host, as PEM files."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory, self._key = directory, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"authority {directory.name}")])
        self.ca = directory / "ca.pem"
        self.ca.write_bytes(self._sign(self._name, self._key.public_key(), x509.BasicConstraints(True, None)))

    def server(self, address: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        pem = self._sign(name, key.public_key(), alternative) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = self._directory / "server.pem"
        file.write_bytes(pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePublicKey, more: x509.ExtensionType) -> bytes:
        now = datetime.now(UTC)
        made = x509.CertificateBuilder(self._name, name, key, x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        return made.add_extension(more, True).sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@contextlib.asynccontextmanager
async def ending_tls(url: str, context: ssl.SSLContext, *, asked: bool) -> AsyncIterator[int]:
    """A port that speaks TLS before the server of this URL. asked: by PostgreSQL's client, in the clear, first."""
    target = urlsplit(url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled: when the test is over.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if asked:
                await reader.readexactly(_SSL_REQUEST_BYTES)
                writer.write(b"S")
                await writer.start_tls(context)
            there, back = await asyncio.open_connection(target.hostname, target.port)
            await asyncio.gather(carry(reader, back), carry(there, writer))

    async def carry(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while chunk := await source.read(1 << 16):
            to.write(chunk)
            await to.drain()
        to.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=None if asked else context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture
def trusted(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "trusted")


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "other")


def access(stack: Stack, *, postgres: str = "-", redis: str = "-") -> Access:
    told = stack.environment()
    return Access(
        kafka_bootstrap="-",
        http_port=1,
        secrets_dir=Path(),
        postgres_url=postgres,
        redis_url=redis,
        postgres_passwords_dir=Path(told["RELIEF_POSTGRES_PASSWORDS_DIR"]),
        redis_passwords_dir=Path(told["RELIEF_REDIS_PASSWORDS_DIR"]),
    )


async def open_postgres(stack: Stack, port: int, ca: Path) -> bool:
    url = f"postgresql://127.0.0.1:{port}/relief?sslmode=verify-full&sslrootcert={ca}"
    backing, pool = on_postgres(access(stack, postgres=url).postgres("ledger"), "ledger", PostingRows(), MIGRATIONS)
    async with backing.opened(), pool.connection() as db:
        assert await backing.store.check() is None
        return bool(db.pgconn.ssl_in_use)


async def open_redis(stack: Stack, port: int, ca: Path) -> None:
    url = access(stack, redis=f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={ca}").redis("eligibility")
    backing, store = on_redis(url, "eligibility", bytes, bytes)
    limiter = Limiter(url, "eligibility")
    try:
        async with backing.opened():
            assert await store.check() is None
            await limiter.check()
            assert await limiter.wait_seconds(parse("100/second"), "tls") == 0
    finally:
        await limiter.close()


async def test_postgres_over_tls(stack: Stack, trusted: Authority) -> None:
    url = stack.environment()["RELIEF_POSTGRES_URL"]
    async with ending_tls(url, trusted.server("127.0.0.1"), asked=True) as port:
        assert await open_postgres(stack, port, trusted.ca)


async def test_redis_over_tls(stack: Stack, trusted: Authority) -> None:
    url = stack.environment()["RELIEF_REDIS_URL"]
    async with ending_tls(url, trusted.server("127.0.0.1"), asked=False) as port:
        await open_redis(stack, port, trusted.ca)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
async def test_a_server_that_is_not_trusted_is_refused_in_a_sentence(
    stack: Stack, trusted: Authority, other: Authority, host: str
) -> None:
    """By its authority, or, for the second, by the host that its certificate is for."""
    ca = (other if host == "127.0.0.1" else trusted).ca
    told, context = stack.environment(), trusted.server(host)
    async with ending_tls(told["RELIEF_POSTGRES_URL"], context, asked=True) as port:
        with pytest.raises(Stop, match=r"certificate.*RELIEF_POSTGRES_URL") as refused:
            await open_postgres(stack, port, ca)
        assert "\n" not in str(refused.value)
    async with ending_tls(told["RELIEF_REDIS_URL"], context, asked=False) as port:
        with pytest.raises(Stop, match=r"(?i)certificate.*RELIEF_REDIS_URL") as refused:
            await open_redis(stack, port, ca)
        assert "\n" not in str(refused.value)
