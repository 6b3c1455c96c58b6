"""Fetches the vendored files again from npm: `make vendor`, `make vendor ARGS=--newest`."""

from __future__ import annotations

import argparse
import json
import subprocess  # noqa: S404
import sys
import tarfile
import tempfile
from pathlib import Path

from infra.vendor import Vendored, placed, problems, read_manifest, sha256_of, write_manifest


def fetched(package: str, version: str, folder: Path) -> tuple[str, Path]:
    """The version that npm gave for `package@version`, and its packed archive in `folder`."""
    command = ["npm", "pack", "--json", "--silent", f"{package}@{version}"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603
    packed = json.loads(answer.stdout)
    # npm 12 answers an object by package name, older ones a list.
    line = packed[0] if isinstance(packed, list) else next(iter(packed.values()))
    return line["version"], folder / line["filename"].replace("@", "").replace("/", "-")


def read_member(archive: Path, name: str) -> bytes:
    """One file's bytes out of a packed package; SystemExit when the package lacks it."""
    with tarfile.open(archive) as tar:
        try:
            member = tar.extractfile(f"package/{name}")
        except KeyError:
            member = None
        if member is None:
            sys.exit(f"{archive.name} has no file {name}: correct infra/vendor/manifest.json.")
        return member.read()


def refreshed(item: Vendored, newest: bool) -> Vendored:
    """Fetch one file anew; SystemExit when a pinned version's content is not the recorded one."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = "latest" if newest else item.version
        version, archive = fetched(item.package, wanted, Path(folder))
        content = read_member(archive, item.source)
    if item.sha256 and version == item.version and sha256_of(content) != item.sha256:
        sys.exit(f"{item.package} {version} is not what was vendored: {item.file} differs.")
    return placed(item, content, version)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.vendor", description=__doc__)
    parser.add_argument("--newest", action="store_true", help="take the newest versions")
    parser.add_argument("--check", action="store_true", help="only compare hashes, no network")
    options = parser.parse_args()
    if not options.check:
        try:
            write_manifest([refreshed(item, options.newest) for item in read_manifest()])
        except FileNotFoundError:
            sys.exit("npm is needed to refresh the vendored files: install Node.js.")
        except subprocess.CalledProcessError as error:
            sys.exit(f"npm failed: {error.stderr.strip() or error.returncode}.")
    found = problems()
    for line in found or [f"{len(read_manifest())} vendored files are as the manifest says."]:
        sys.stdout.write(line + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
