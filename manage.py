#!/usr/bin/env python3
"""Slipway's command line; `manage.py help` lists the commands."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "infra.settings")
    if sys.argv[1:2] == ["up"]:
        # The supervisor needs no Django in its process, and starts seconds sooner without it.
        from infra.supervisor.__main__ import main as up

        sys.exit(up(sys.argv[2:]))
    from django.core.management import execute_from_command_line

    # Makes the configured Celery application the one that commands send tasks by.
    import infra.celery  # noqa: F401

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
