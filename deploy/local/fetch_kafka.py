"""Fetches Kafka's jars with Maven, as kafka/pom.xml pins them: `python -m deploy.local.fetch_kafka`. Idempotent."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.local.errors import StackError

POM = Path(__file__).parent / "kafka" / "pom.xml"
ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ROOT / ".local" / "kafka-libraries"
JAVA_AT_LEAST = 17
INSTALL_JAVA = "install it with `apt-get install default-jre-headless` or set JAVA_HOME"
INSTALL_MAVEN = "install it with `apt-get install maven`"
FETCH_SECONDS = 600


def find_java() -> Path:
    """The Java that runs Kafka: JAVA_HOME's, else the PATH's. Raises StackError when missing or too old."""
    home = os.environ.get("JAVA_HOME")
    found = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if found is None or not os.access(found, os.X_OK):
        where = f"in JAVA_HOME ({home})" if home else "on the PATH"
        raise StackError(f"Kafka needs Java {JAVA_AT_LEAST} or newer and there is no java {where}: {INSTALL_JAVA}")
    try:
        told = subprocess.run([found, "-version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StackError(f"{found} does not run ({error}): {INSTALL_JAVA}") from error
    version = java_version(told.stderr + told.stdout)
    if version is None or version < JAVA_AT_LEAST:
        says = "does not tell its version" if version is None else f"is Java {version}"
        raise StackError(f"Kafka needs Java {JAVA_AT_LEAST} or newer and {found} {says}: {INSTALL_JAVA}")
    return Path(found)


def java_version(told: str) -> int | None:
    """The major version in the output of `java -version`, for example 8 of "1.8.0_402" and 17 of "17.0.15"."""
    match = re.search(r'version "(?:1\.)?(\d+)', told)
    return None if match is None else int(match[1])


def find_maven() -> str:
    """Raises StackError when Maven is missing."""
    found = shutil.which("mvn")
    if found is None:
        raise StackError(f"Kafka's jars are fetched by Maven and there is no mvn on the PATH: {INSTALL_MAVEN}")
    return found


def fetched(libraries: Path = LIBRARIES) -> bool:
    """Whether the jars of the present pom are there."""
    stamp = libraries / "pom.sha256"
    return stamp.is_file() and stamp.read_text("ascii") == _pom_digest()


def fetch(libraries: Path = LIBRARIES) -> None:
    """Fetches the jars unless they are there: all or none. Takes seconds. Raises StackError."""
    if fetched(libraries):
        return
    find_java()
    maven = find_maven()
    libraries.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kafka-libraries.", dir=libraries.parent) as directory:
        fresh = Path(directory) / "libraries"
        command = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={fresh}"]
        command.append("-DincludeScope=runtime")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise StackError(f"Maven did not fetch Kafka's jars within {FETCH_SECONDS} seconds; try again") from None
        if done.returncode != 0:
            raise StackError(
                f"Maven could not fetch Kafka's jars: {_first_error(done.stdout + done.stderr)}. "
                "It needs the network, or a mirror in ~/.m2/settings.xml; then try again"
            )
        (fresh / "pom.sha256").write_text(_pom_digest(), "ascii")
        if libraries.exists():
            libraries.rename(Path(directory) / "old")
        try:
            fresh.rename(libraries)
        except OSError:
            # Another command was quicker with the same jars.
            if not fetched(libraries):
                raise


def _pom_digest() -> str:
    return hashlib.sha256(POM.read_bytes()).hexdigest()


def _first_error(output: str) -> str:
    errors = [line.removeprefix("[ERROR]").strip() for line in output.splitlines() if line.startswith("[ERROR]")]
    return errors[0].rstrip(".") if errors else "it did not say why"


def main() -> int:
    """The command; returns its exit code."""
    from deploy.local import kafka_archive

    try:
        fetch()
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201  a command of its own
        return 1
    try:
        kafka_archive.make()
    except StackError as error:
        print(f"note: {error}; Kafka will start more slowly", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
