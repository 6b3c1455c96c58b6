"""Files that somebody sent, read as the commands read theirs, within limits."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evals import formats
from evals.formats.contract import FormatError, SuiteSpec
from evals.formats.results import RunLog
from infra.errors import InvalidInput

NAME = r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,199}"
MOST_FILES = 100
MOST_BYTES = 32 * 1024 * 1024
"""Of all files together; a command reads larger ones."""
MOST_INFLATED = 256 * 1024 * 1024
"""Of all entries of an archive together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """A file's name, without folders, and its bytes."""

    name: str
    content: bytes


def check(files: Sequence[SentFile], main: str = "") -> None:
    """InvalidInput for too many or too large ones, unsafe names, and a `main` that is none."""
    if not 1 <= len(files) <= MOST_FILES:
        raise InvalidInput("sent_files", f"Send 1 to {MOST_FILES} files, not {len(files)}.")
    names = [file.name for file in files]
    for name in names:
        if not re.fullmatch(NAME, name):
            message = f"{name!r} is no file name here: use letters, digits and . _ - @ + alone."
            raise InvalidInput("sent_files", message)
    if len(set(names)) < len(names):
        raise InvalidInput("sent_files", "two files have one name: send each once.")
    if main and main.partition("#")[0] not in names:
        message = f"{main!r} is none of the files sent: {', '.join(sorted(names))}."
        raise InvalidInput("main_file", message)
    n_bytes = sum(len(file.content) for file in files)
    if n_bytes > MOST_BYTES:
        message = (
            f"{n_bytes:,} bytes are more than the {MOST_BYTES:,} that are taken here: use "
            "`manage.py suite import` or `manage.py run import`."
        )
        raise InvalidInput("too_large", message)
    for file in files:
        _check_archive(file)


def read_suite(format_name: str, files: Sequence[SentFile], main: str = "") -> SuiteSpec:
    """The suite in the files; `main` names one of them, FormatError what is wrong."""
    with _laid_out(files, main) as path:
        return formats.read(format_name, path)


def read_run(format_name: str, files: Sequence[SentFile], main: str = "") -> RunLog:
    """The run in the files; `main` is `out.json` or `out.json#PROVIDER` where there are several."""
    with _laid_out(files, main) as path:
        return formats.read_run(format_name, path)


@contextmanager
def _laid_out(files: Sequence[SentFile], main: str) -> Iterator[Path]:
    """One file by its path, several by their folder's; nothing of the host is beside them."""
    check(files, main)
    with tempfile.TemporaryDirectory(prefix="slipway-sent-") as name:
        # Formats look for data in the folder above too: that one is ours as well.
        folder = Path(name) / "sent" / "files"
        folder.mkdir(parents=True)
        for file in files:
            (folder / file.name).write_bytes(file.content)
        if main:
            yield folder / main
        else:
            yield folder / files[0].name if len(files) == 1 else folder


def _check_archive(file: SentFile) -> None:
    """FormatError for an archive that states too large a size; its reader holds it to that."""
    if not file.content.startswith(b"PK"):
        return
    try:
        with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
            n_bytes = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        message = f"is a ZIP archive cut short or damaged: {error}"
        raise FormatError(file.name, message) from error
    if n_bytes > MOST_INFLATED:
        message = f"holds {n_bytes:,} bytes when unpacked: more than {MOST_INFLATED:,}"
        raise FormatError(file.name, message)
