"""How to reach Kafka: where it is, who we are there, and whom we trust to be it. Every client is made from this."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from shared.keyfiles import KeyFileError, read_password
from shared.streaming.errors import Stop

Security = Literal["PLAINTEXT", "SASL_PLAINTEXT", "SSL", "SASL_SSL"]
MECHANISM = "SCRAM-SHA-512"
PREFIX = "RELIEF_KAFKA_"
_FILES = ("password_file", "passwords_dir", "ca_file", "certificate_file", "key_file")


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """`bootstrap`: host:port, several with commas. `user` and `password` are for SASL (SCRAM-SHA-512).

    `ca_file`: who may have signed the brokers' certificates (PEM; None: whom the system trusts). `certificate_file` and
    `key_file`: our own certificate, where the brokers ask for one. The password is in no text that this makes.
    """

    bootstrap: str
    security: Security = "PLAINTEXT"
    user: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def client(self) -> dict[str, Any]:
        """The arguments of aiokafka's consumer, producer and admin client. Raises Stop for an unusable file."""
        return {"bootstrap_servers": self.bootstrap, **self._secured()}

    def broker(self) -> dict[str, Any]:
        """The arguments of FastStream's broker. Raises Stop for an unusable file."""
        from faststream.security import BaseSecurity, SASLScram512  # commands, which need no broker, start sooner

        context = self._context()
        security: BaseSecurity | None = None
        if self.security.startswith("SASL"):
            encrypted = context is not None
            security = SASLScram512(self.user, self.password, ssl_context=context, use_ssl=encrypted)
        elif context is not None:
            security = BaseSecurity(ssl_context=context)
        # FastStream takes one string for one address.
        return {"bootstrap_servers": self.bootstrap.split(","), "security": security}

    def __str__(self) -> str:
        who = f" as {self.user}" if self.security.startswith("SASL") else ""
        return f"{self.bootstrap}{who}"

    def _secured(self) -> dict[str, Any]:
        if self.security == "PLAINTEXT":
            return {}
        found: dict[str, Any] = {"security_protocol": self.security, "ssl_context": self._context()}
        if self.security.startswith("SASL"):
            found |= {"sasl_mechanism": MECHANISM, "sasl_plain_username": self.user}
            found["sasl_plain_password"] = self.password
        return found

    def _context(self) -> ssl.SSLContext | None:
        if not self.security.endswith("SSL"):
            return None
        try:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=self.ca_file)
        except (OSError, ValueError) as error:
            raise Stop(f"{PREFIX}CA_FILE ({self.ca_file}) holds no usable certificates: {error}.") from error
        if self.certificate_file is not None:
            try:
                # An encrypted key would make OpenSSL ask at the terminal.
                context.load_cert_chain(self.certificate_file, self.key_file, password="")
            except (OSError, ValueError) as error:
                raise Stop(
                    f"{PREFIX}CERTIFICATE_FILE ({self.certificate_file}) and {PREFIX}KEY_FILE hold no usable "
                    f"certificate with its key: {error}."
                ) from error
        return context


def access(
    bootstrap: str,
    user: str,
    *,
    security: str | None = None,
    password_file: Path | None = None,
    passwords_dir: Path | None = None,
    ca_file: Path | None = None,
    certificate_file: Path | None = None,
    key_file: Path | None = None,
) -> KafkaAccess:
    """From what the environment says; the password is the first line of its file, or of USER.password in the directory.

    Raises Stop, with the variable's name, for what is missing, unreadable, or would go unused without anybody noticing.
    """
    kind: Security = "PLAINTEXT"
    for known in get_args(Security):
        if known == (security or kind):
            kind = known
            break
    else:
        raise Stop(f"{PREFIX}SECURITY is {security}; it is one of {', '.join(get_args(Security))}.")
    password = ""
    if kind.startswith("SASL"):
        password = _password(user, password_file, passwords_dir)
    elif password_file is not None or (passwords_dir is not None and kind == "PLAINTEXT"):
        raise Stop(
            f"A password for Kafka is given and {PREFIX}SECURITY is {kind}: set it to SASL_SSL, or take it away."
        )
    if (ca_file or certificate_file or key_file) and not kind.endswith("SSL"):
        raise Stop(f"A certificate for Kafka is given and {PREFIX}SECURITY is {kind}: set it to SASL_SSL or SSL.")
    if key_file is not None and certificate_file is None:
        raise Stop(f"{PREFIX}KEY_FILE is set without {PREFIX}CERTIFICATE_FILE.")
    found = KafkaAccess(bootstrap, kind, user if password else "", password, ca_file, certificate_file, key_file)
    found.client()  # the files are read now, and not first when a connection is made
    return found


def from_environment(environ: Mapping[str, str], user: str, bootstrap: str | None = None) -> KafkaAccess:
    """For commands, as `access`: RELIEF_KAFKA_USER wins over `user`, and `bootstrap` over RELIEF_KAFKA_BOOTSTRAP."""
    files = {name: Path(given) for name in _FILES if (given := environ.get(f"{PREFIX}{name.upper()}"))}
    return access(
        bootstrap or environ.get(f"{PREFIX}BOOTSTRAP", ""),
        environ.get(f"{PREFIX}USER") or user,
        security=environ.get(f"{PREFIX}SECURITY") or None,
        **files,
    )


def _password(user: str, file: Path | None, directory: Path | None) -> str:
    path = file or (directory / f"{user}.password" if directory is not None else None)
    if path is None:
        raise Stop(f"Kafka asks for a password: set {PREFIX}PASSWORD_FILE to the file that holds the one of {user}.")
    try:
        return read_password(path)
    except KeyFileError as error:
        raise Stop(f"{user} has no password for Kafka. {error}") from error
