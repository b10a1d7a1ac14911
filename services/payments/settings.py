"""What payments is told by its environment (RELIEF_ variables)."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from services.payments.domain.refund import Programme
from shared.devkeys import VAULT_KEYS
from shared.store_access import PostgresAccess


class DebtorAccount(BaseModel):
    """The account that a programme is paid from; `bank_code`: the 12 digits of CNAPS."""

    name: str = Field(min_length=1, max_length=140)
    account_number: str = Field(pattern=r"^[0-9A-Za-z-]{1,34}$")
    bank_code: str = Field(pattern=r"^[0-9]{12}$")


class Settings(PostgresAccess):
    # Where messages to the bank are put and its files are found: out/ and in/, and what became of them.
    bank_dir: Path
    # As JSON, an account for each programme.
    debtors: dict[Programme, DebtorAccount] = Field(min_length=2)
    # Batches above it need two officers.
    approval_threshold_fen: int = Field(default=100_000_000, ge=0)
    batch_size: int = Field(default=1_000, ge=1, le=10_000)
    # Days from submission until a payment that the bank has not answered for is unknown.
    silence_days: int = Field(default=5, ge=1, le=60)
    # auto: each day's payments are put into batches when the day starts. manual: an officer does.
    batches: Literal["auto", "manual"] = "auto"

    @property
    def unsealing_keys(self) -> Path:
        return self.secrets_dir / "payments.private.jwks.json"

    @property
    def vault_keys(self) -> Path:
        """What stored payees are encrypted with: the first key; the others still open older ones."""
        return self.secrets_dir / VAULT_KEYS
