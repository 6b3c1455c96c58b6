"""Inspect's log files opened: `.json` whole, `.eval` one sample at a time.

An `.eval` is a ZIP whose entries are compressed with zstd (method 93), which Python's zipfile
lists and cannot read. Without `header.json` the run crashed; samples flushed before are there.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from evals.formats.contract import FormatError

ZSTD = 93
LARGEST_ENTRY = 512 * 1024 * 1024
LOCAL_HEADER = struct.Struct("<4s5H3I2H")
SAMPLE = re.compile(r"samples/(?P<sample>.+_epoch_\d+)(?:\.json|/sample\.json)", re.DOTALL)
HEADER, START = "header.json", "_journal/start.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log whose samples are read as they are asked for."""

    file: str
    header: Mapping[str, Any]
    """`version`, `eval`, and of a finished log `status`, `results`, `stats`."""
    path: Path

    def samples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each sample with the name of its place in the file, attachments in their places."""
        found = _eval_samples if _is_archive(self.path) else _json_samples
        for where, sample in found(self.path):
            yield where, _attached(sample)


def open_log(path: Path) -> Log:
    """The log's head; FormatError for a file that is no Inspect log."""
    if path.is_dir():
        raise FormatError(path.name, "is a folder: name one log, an .eval or a .json file")
    try:
        header = _eval_header(path) if _is_archive(path) else _json_document(path)
    except FileNotFoundError as error:
        raise FormatError(path.name, f"not found in {path.parent}") from error
    if not isinstance(header.get("eval"), dict) or not isinstance(header.get("version"), int):
        raise FormatError(path.name, "is no Inspect log: it lacks `version` and `eval`")
    if header["version"] > 2:
        message = f"is a log of version {header['version']}; versions up to 2 are known here"
        raise FormatError(path.name, message, field_name="version")
    return Log(file=path.name, header=header, path=path)


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _json_document(path: Path) -> dict[str, Any]:
    return _object(path.read_bytes(), path.name, path.name)


def _json_samples(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    found = _json_document(path).get("samples") or []
    if not isinstance(found, list) or not all(isinstance(sample, dict) for sample in found):
        raise FormatError(path.name, "is no list of objects", field_name="samples")
    for index, sample in enumerate(found):
        yield f"samples[{index}]", sample


def _eval_header(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        entries = _entries(file, path.name)
        for name in (HEADER, START):
            if name in entries:
                return _object(_content(file, entries[name], path.name), path.name, name)
    message = f"holds neither {HEADER} nor {START}: it is no Inspect log"
    raise FormatError(path.name, message)


def _eval_samples(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as file:
        entries = _entries(file, path.name)
        for name, entry in entries.items():
            if not SAMPLE.fullmatch(name):
                continue
            sample = _object(_content(file, entry, path.name), path.name, name)
            if name.endswith("/sample.json"):
                sample = _whole(file, entries, name.removesuffix("sample.json"), sample, path.name)
            yield name, sample


def _whole(
    file: BinaryIO,
    entries: Mapping[str, zipfile.ZipInfo],
    prefix: str,
    shell: dict[str, Any],
    file_name: str,
) -> dict[str, Any]:
    """A chunked sample's shell with its metadata and attachments, which it refers to by index."""
    name = prefix + "metadata.json"
    if name in entries:
        shell["metadata"] = _object(_content(file, entries[name], file_name), file_name, name)
    attachments: dict[str, str] = {}
    folder = prefix + "attachments/"
    for name in (name for name in entries if name.startswith(folder)):
        start = name.removeprefix(folder).removesuffix(".json")
        texts = _json(_content(file, entries[name], file_name), file_name, name)
        if not start.isdecimal() or not isinstance(texts, list):
            raise FormatError(file_name, "is no chunk of attachments", field_name=name)
        attachments |= {str(int(start) + index): text for index, text in enumerate(texts)}
    return {**shell, "attachments": attachments}


def _entries(file: BinaryIO, file_name: str) -> dict[str, zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(file) as archive:
            return dict(archive.NameToInfo)
    except zipfile.BadZipFile as error:
        message = f"is a ZIP archive cut short or damaged: {error}"
        raise FormatError(file_name, message) from error


def _content(file: BinaryIO, entry: zipfile.ZipInfo, file_name: str) -> bytes:
    """An entry's bytes, checked against its size and checksum."""
    where = entry.filename
    if entry.file_size > LARGEST_ENTRY:
        message = f"is larger than {LARGEST_ENTRY:,} bytes"
        raise FormatError(file_name, message, field_name=where)
    try:
        content = _inflated(file, entry)
    except (struct.error, zstandard.ZstdError, zlib.error, ValueError) as error:
        raise FormatError(file_name, f"is damaged: {error}", field_name=where) from error
    if len(content) != entry.file_size or zlib.crc32(content) != entry.CRC:
        raise FormatError(file_name, "is damaged: its checksum is wrong", field_name=where)
    return content


def _inflated(file: BinaryIO, entry: zipfile.ZipInfo) -> bytes:
    file.seek(entry.header_offset)
    fields = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    if fields[0] != b"PK\x03\x04" or entry.flag_bits & 1:
        raise ValueError("no readable entry where the directory says")
    file.seek(fields[-2] + fields[-1], 1)
    raw = file.read(entry.compress_size)
    if entry.compress_type == ZSTD:
        reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        return reader.read(entry.file_size + 1)
    if entry.compress_type == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, entry.file_size + 1)
    if entry.compress_type == zipfile.ZIP_STORED:
        return raw
    raise ValueError(f"compression method {entry.compress_type} is not known")


def _object(content: bytes, file_name: str, where: str) -> dict[str, Any]:
    found = _json(content, file_name, where)
    if not isinstance(found, dict):
        raise FormatError(file_name, "is no JSON object", field_name=where)
    return found


def _json(content: bytes, file_name: str, where: str) -> Any:
    """JSON as Inspect writes it: NaN and Infinity are bare constants."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FormatError(file_name, f"is not JSON: {error}", field_name=where) from error


_REFERENCE = re.compile(r"attachment://([0-9a-f]+)")


def _attached(sample: dict[str, Any]) -> dict[str, Any]:
    """The parts that are kept, long texts back in the places that refer to them."""
    known = sample.pop("attachments", None) or {}
    for large in ("events", "store", "timelines", "events_data"):
        sample.pop(large, None)
    return _resolved(sample, known) if known else sample  # type: ignore[no-any-return]


def _resolved(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: known.get(match[1], match[0]), value)
    if isinstance(value, list):
        return [_resolved(inner, known) for inner in value]
    if isinstance(value, dict):
        return {key: _resolved(inner, known) for key, inner in value.items()}
    return value
