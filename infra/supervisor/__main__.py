"""`manage.py up` without loading Django first, which saves seconds at every start."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured  # type: ignore[import-untyped]

from infra.embedded import EmbeddedError
from infra.supervisor.run import add_arguments, run_product


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py up")
    add_arguments(parser)
    chosen = parser.parse_args(arguments)
    try:
        # Its refusals, as of a missing secret, are for the person here and not for a log.
        importlib.import_module("infra.settings")
        return run_product(chosen.bind, demo=not chosen.no_demo)
    except (EmbeddedError, ImproperlyConfigured) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
