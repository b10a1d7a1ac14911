"""A broker that asks who everybody is, as in the local stack, with one more port where it shows a certificate."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.local import fetch_kafka, kafka_server, kafka_users, ports
from deploy.local.errors import NotReady
from deploy.local.program import LAUNCHER, write_plan
from shared.streaming.kafka_access import KafkaAccess, Security, access
from shared.streaming.topics import ensure_topics

START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Secured:
    """`ca`: who signed the broker's certificate. `stranger`: another, who did not."""

    state: Path
    chosen: dict[str, int]
    ca: Path
    stranger: Path

    @property
    def door(self) -> KafkaAccess:
        return KafkaAccess(kafka_server.address(self.chosen))

    def as_user(self, user: str) -> KafkaAccess:
        return access(
            kafka_server.login_address(self.chosen),
            user,
            security="SASL_PLAINTEXT",
            passwords_dir=kafka_server.passwords_dir(self.state),
        )

    def encrypted(
        self, user: str, ca: Path | None, security: Security = "SASL_SSL", host: str = ports.HOST
    ) -> KafkaAccess:
        directory = kafka_server.passwords_dir(self.state)
        return access(f"{host}:{self.chosen['tls']}", user, security=security, passwords_dir=directory, ca_file=ca)


@contextmanager
def secured(state: Path) -> Iterator[Secured]:
    """Runs it until we leave; topics and users are there."""
    fetch_kafka.fetch()
    state.mkdir()
    unit = kafka_server.unit(state, None)
    chosen: dict[str, int] = {}
    for name in (*unit.ports, "tls"):
        chosen[name] = ports.choose([], chosen.values())
    program = unit.prepare(chosen)
    found = Secured(state, chosen, _authority(state, "ours"), _authority(state, "stranger"))
    _show_certificate(program.directory / "server.properties", chosen["tls"], _certified(state, "ours"))
    plan = state / "broker.json"
    write_plan(plan, program, parent=os.getpid())
    command = [sys.executable, "-I", "-S", str(LAUNCHER), str(plan)]
    with (state / "broker.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as broker:
        try:
            _wait(broker, found)
            kafka_users.let_in(state, found.door.bootstrap)
            asyncio.run(ensure_topics(found.door))
            yield found
        finally:
            broker.kill()


def _wait(broker: "subprocess.Popen[bytes]", found: Secured) -> None:
    deadline = time.monotonic() + START_SECONDS
    while broker.poll() is None and time.monotonic() < deadline:
        try:
            return kafka_server.check_access(found.door, 1)
        except NotReady:
            time.sleep(0.1)
    raise AssertionError((found.state / "broker.log").read_text())


def _show_certificate(settings: Path, port: int, certificate: Path) -> None:
    values = dict(line.split("=", 1) for line in settings.read_text().splitlines())
    for name in ("listeners", "advertised.listeners"):
        values[name] += f",TLS://{ports.HOST}:{port}"
    values["listener.security.protocol.map"] += ",TLS:SASL_SSL"
    for name, value in list(values.items()):
        if name.startswith("listener.name.login."):
            values[name.replace(".login.", ".tls.")] = value
    values["listener.name.tls.ssl.keystore.type"] = "PEM"
    values["listener.name.tls.ssl.keystore.location"] = str(certificate)
    settings.write_text("".join(f"{name}={value}\n" for name, value in values.items()))


def _authority(directory: Path, name: str) -> Path:
    """A new authority: its certificate, and beside it its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = _builder(own, own, key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    path = directory / f"{name}.pem"
    path.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(_pem(key))
    return path


def _certified(directory: Path, authority: str) -> Path:
    """A key and a certificate for 127.0.0.1, and for no name, in one file."""
    path = directory / f"{authority}.pem"
    ca = x509.load_pem_x509_certificate(path.read_bytes())
    ca_key = serialization.load_pem_private_key(path.with_suffix(".key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(ports.HOST))])
    made = _builder(own, ca.subject, key).add_extension(names, critical=False).sign(ca_key, hashes.SHA256())
    found = directory / "broker.pem"
    found.write_bytes(_pem(key) + made.public_bytes(serialization.Encoding.PEM) + path.read_bytes())
    return found


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    return builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
