"""Front-end files kept in the repository, each with its version, licence and hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
FILES = FOLDER / "files"
MANIFEST = FOLDER / "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendored:
    """One file of one npm package: where it lies there, where it lies here, and its hash."""

    package: str
    version: str
    licence: str
    source: str
    file: str
    sha256: str


def read_manifest() -> list[Vendored]:
    """Every vendored file as the manifest names it."""
    return [Vendored(**item) for item in json.loads(MANIFEST.read_text())]


def write_manifest(items: list[Vendored]) -> None:
    MANIFEST.write_text(json.dumps([asdict(item) for item in items], indent=2) + "\n")


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def placed(item: Vendored, content: bytes, version: str) -> Vendored:
    """Write the file's content to its place; the manifest's line for it."""
    path = FILES / item.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return replace(item, version=version, sha256=sha256_of(content))


def problems() -> list[str]:
    """A sentence for each vendored file that is missing, changed or not in the manifest."""
    found, known = [], set()
    for item in read_manifest():
        known.add(item.file)
        path = FILES / item.file
        if not path.is_file():
            found.append(f"{item.file} is missing: run `make vendor`.")
        elif sha256_of(path.read_bytes()) != item.sha256:
            found.append(f"{item.file} is not {item.package} {item.version}: run `make vendor`.")
    for path in sorted(FILES.rglob("*")):
        name = path.relative_to(FILES).as_posix()
        if path.is_file() and path.name != "LICENSE" and name not in known:
            found.append(f"{name} has no line in infra/vendor/manifest.json.")
    return found
