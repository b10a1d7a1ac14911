"""What the environment tells about streaming."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.streaming.kafka_access import KafkaAccess, Security, access


class KafkaSettings(BaseSettings):
    """How to reach Kafka, from RELIEF_KAFKA_ variables. A password comes from a file, and never from a variable."""

    model_config = SettingsConfigDict(env_prefix="RELIEF_", frozen=True, extra="ignore")

    kafka_bootstrap: str = Field(min_length=1)
    kafka_security: Security = "PLAINTEXT"
    # None: the service's own name, which is how the rights of deploy/kafka name it.
    kafka_user: str | None = None
    kafka_password_file: Path | None = None
    # In place of the file: where each user's is, as USER.password.
    kafka_passwords_dir: Path | None = None
    kafka_ca_file: Path | None = None
    kafka_certificate_file: Path | None = None
    kafka_key_file: Path | None = None

    def kafka(self, name: str) -> KafkaAccess:
        """How the service of this name reaches Kafka. Raises Stop with a sentence that names a variable or file."""
        return access(
            self.kafka_bootstrap,
            self.kafka_user or name,
            security=self.kafka_security,
            password_file=self.kafka_password_file,
            passwords_dir=self.kafka_passwords_dir,
            ca_file=self.kafka_ca_file,
            certificate_file=self.kafka_certificate_file,
            key_file=self.kafka_key_file,
        )


def crash_at() -> str | None:
    """RELIEF_CRASH_AT, which only tests set: see `crash`."""
    return os.environ.get("RELIEF_CRASH_AT")
