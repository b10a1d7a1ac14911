"""What is written for the servers and the process manager."""

import json
import signal
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from deploy.local import kafka_server, postgres_server, redis_server
from deploy.local.errors import StackError
from deploy.local.fetch_kafka import java_version
from deploy.local.program import Program, User, disable_plan, section, write_plan
from deploy.local.services import read
from deploy.local.supervision import CONFIGURATION, SOCKET_PATH_BYTES, new_socket


def program(**changes: object) -> Program:
    fields: dict[str, object] = {"name": "redis", "argv": ("/bin/true",), "environment": {}, "directory": Path("/")}
    return Program(**(fields | changes))  # type: ignore[arg-type]


def test_supervisor_reads_a_section_as_it_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "100% odd name"
    for name in ("logs", "run"):
        (odd / name).mkdir(parents=True)
    # As the process manager: all paths but the programs' are relative to the state directory.
    monkeypatch.chdir(odd)
    configuration = odd / "run" / "supervisord.conf"
    one = section(program(stop_signal="INT", stop_seconds=7), "run/redis.json", "logs/redis.log")
    configuration.write_text(CONFIGURATION.format(socket="s.sock") + one)
    options = ServerOptions()
    options.realize(["-c", str(configuration)])
    [group] = options.process_group_configs
    [found] = group.process_configs
    assert (found.name, found.stopsignal, found.stopwaitsecs) == ("redis", signal.SIGINT, 7)
    assert found.stdout_logfile == "logs/redis.log"
    assert found.command.endswith("launch.py run/redis.json")
    assert not found.autostart


def test_a_plan_is_for_our_eyes_only_and_can_be_disabled(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(path, program(environment={"TOKEN": "secret"}, user=User(7, 8)), parent=42)
    assert path.stat().st_mode & 0o777 == 0o600
    plan = json.loads(path.read_text())
    assert plan["enabled"]
    assert (plan["parent"], plan["death_signal"], plan["user"]) == (42, signal.SIGKILL, {"uid": 7, "gid": 8})
    disable_plan(path)
    assert json.loads(path.read_text()) == plan | {"enabled": False}


def broker_settings(ports: dict[str, int], *of: int) -> dict[str, str]:
    return dict(line.split("=", 1) for line in kafka_server.properties(ports, *of).splitlines())


def test_kafka_listens_only_here_and_takes_a_record_of_two_megabytes() -> None:
    values = broker_settings({"kafka": 1001, "kafka-controller": 1002})
    assert values["listeners"] == "PLAINTEXT://127.0.0.1:1001,CONTROLLER://127.0.0.1:1002"
    assert values["controller.quorum.voters"] == "1@127.0.0.1:1002"
    assert values["auto.create.topics.enable"] == "false"
    assert int(values["message.max.bytes"]) > 2 * 1024 * 1024 + 1024
    assert values["log.retention.ms"] == "-1"
    assert {values[name] for name in values if name.endswith(("replication.factor", "min.isr", "replicas"))} == {"1"}


def test_three_brokers_know_each_other_and_keep_everything_three_times() -> None:
    ports = {name: 1001 + n for n, name in enumerate(["kafka", "kafka-2", "kafka-3"])}
    ports |= {f"{name}-controller": port + 100 for name, port in ports.items()}
    values = broker_settings(ports, 2, 3)
    assert values["node.id"] == "2"
    assert values["listeners"] == "PLAINTEXT://127.0.0.1:1002,CONTROLLER://127.0.0.1:1102"
    assert values["controller.quorum.voters"] == "1@127.0.0.1:1101,2@127.0.0.1:1102,3@127.0.0.1:1103"
    assert {values[name] for name in values if name.endswith("replication.factor")} == {"3"}
    assert {values[name] for name in values if name.endswith(("min.isr", "min.insync.replicas"))} == {"2"}
    assert kafka_server.address(ports, 3) == "127.0.0.1:1001,127.0.0.1:1002,127.0.0.1:1003"


def test_redis_never_evicts_and_postgres_has_no_socket_file() -> None:
    words = redis_server.settings(1003)
    assert words[words.index("--maxmemory-policy") + 1] == "noeviction"
    assert words[words.index("--bind") + 1] == "127.0.0.1"
    assert "unix_socket_directories=" in postgres_server.settings(1004)
    assert "listen_addresses=127.0.0.1" in postgres_server.settings(1004)


def test_a_state_with_a_long_path_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    near = Path("/s")
    assert new_socket(near) == "/s/supervisor.sock"
    far = new_socket(tmp_path / ("x" * SOCKET_PATH_BYTES))
    assert len(far) <= SOCKET_PATH_BYTES
    Path(far).parent.rmdir()


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('x version "25" 2026', 25),
        ("?", None),
    ],
)
def test_the_version_of_java_is_read_from_what_it_tells(told: str, version: int | None) -> None:
    assert java_version(told) == version


def test_every_declared_service_has_a_module_and_its_own_port() -> None:
    declared = read()
    assert list(declared) == ["intake", "eligibility", "payments", "ledger", "holdover"]
    assert len({one.port for one in declared.values()}) == len(declared)


@pytest.mark.parametrize("text", ["- intake", "intake: {port: 1}", "intake: {module: m, port: 1, colour: red}", "{"])
def test_a_broken_list_of_services_names_its_file(tmp_path: Path, text: str) -> None:
    broken = tmp_path / "services.yaml"
    broken.write_text(text)
    with pytest.raises(StackError, match=str(broken)):
        read(broken)
