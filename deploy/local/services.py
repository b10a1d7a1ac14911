"""The services `relief up` starts: services.yaml, and each replica as a unit of the stack."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

from deploy.local.errors import NotReady, StackError
from deploy.local.ports import HOST
from deploy.local.program import Program, Unit

# Accounts that no bank has: payments needs one for each programme.
DEVELOPMENT_DEBTORS = json.dumps(
    {
        programme: {"name": "Relief development fund", "account_number": account, "bank_code": "001881000005"}
        for programme, account in (("job_stabilisation", "0000000001"), ("contribution_return", "0000000002"))
    }
)
DECLARED = Path(__file__).with_name("services.yaml")


@dataclass(frozen=True, slots=True)
class Service:
    """One entry of services.yaml."""

    name: str
    module: str
    port: int | None
    replicas: int = 1


def read(path: Path = DECLARED) -> dict[str, Service]:
    """Every declared service by name, in the file's order. Raises StackError naming the file and the entry."""
    try:
        declared = yaml.safe_load(path.read_text("utf-8")) or {}
        return {name: Service(name=name, **fields) for name, fields in declared.items()}
    except (OSError, yaml.YAMLError, TypeError, AttributeError) as error:
        raise StackError(f"{path} does not list services by name with module and port: {error}") from error


def instance(name: str, replica: int) -> str:
    """The name of one replica as a program, and as a static member of its consumer group."""
    return f"{name}-{replica}"


def shown(name: str, replica: int) -> str:
    """The name a user sees: the first replica is the service."""
    return name if replica == 0 else instance(name, replica)


def url(port: int) -> str:
    """Where a replica answers."""
    return f"http://{HOST}:{port}"


def is_ready(port: int) -> bool:
    """Whether GET /readyz answers 200 within two seconds."""
    try:
        # Without the environment's proxies: they do not lead to this host.
        return httpx.get(f"{url(port)}/readyz", timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def unit(service: Service, replica: int, environment: Mapping[str, str], directory: Path) -> Unit:
    """One replica. `environment` lacks only the port, which is chosen later."""
    name = instance(service.name, replica)

    def prepare(ports: Mapping[str, int]) -> Program:
        argv = (sys.executable, "-m", service.module)
        return Program(name, argv, {**environment, "RELIEF_HTTP_PORT": str(ports[name])}, directory)

    def check(ports: Mapping[str, int]) -> None:
        if not is_ready(ports[name]):
            raise NotReady(f"{url(ports[name])}/readyz does not answer 200")

    return Unit(name, {name: service.port if replica == 0 else None}, prepare, check)
