"""Every file of the project: what git tracks or would track; without git, what is not a build product."""

import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
_BUILT = {"__pycache__", "build", "dist", "node_modules"}


@dataclass(frozen=True, slots=True)
class Source:
    """A file's path from the root, and its text."""

    path: PurePosixPath
    text: str


def sources(root: Path = ROOT) -> list[Source]:
    """Every text file, sorted by path; what is not UTF-8 is no text."""
    found = []
    for path in sorted(_listed(root) if (root / ".git").exists() else _walked(root)):
        try:
            text = (root / path).read_text("utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        found.append(Source(path, text))
    return found


def _listed(root: Path) -> list[PurePosixPath]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return [PurePosixPath(name) for name in told.stdout.split("\0") if name]


def _walked(root: Path) -> list[PurePosixPath]:
    paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [PurePosixPath(p) for p in paths if not any(_is_built(part) for part in p.parts[:-1])]


def _is_built(folder: str) -> bool:
    # Of the folders with a dot only .ci is the project's.
    return folder in _BUILT or folder.endswith(".egg-info") or (folder.startswith(".") and folder != ".ci")
