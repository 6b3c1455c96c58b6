"""The children's log files: set aside at each start, read again when something fails."""

from __future__ import annotations

from pathlib import Path

KEPT = 3
TAIL_LINES = 12
TAIL_BYTES = 16_384


def rotate_logs(folder: Path) -> None:
    """Renames x.log to x.log.1 and so on, keeping `KEPT` older ones."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in [*folder.glob("*.log"), *folder.glob("*.out")]:
        for age in range(KEPT, 1, -1):
            older = path.with_name(f"{path.name}.{age - 1}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{age}"))
        path.replace(path.with_name(f"{path.name}.1"))


def tail(path: Path) -> str:
    """The last lines of a log, indented for the terminal."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").rstrip().splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])


class Follower:
    """Reads the whole lines that a growing file has gained since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_lines(self) -> list[str]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                gained = file.read()
        except FileNotFoundError:
            return []
        whole = gained[: gained.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.decode(errors="replace").splitlines()
