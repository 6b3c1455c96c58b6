"""Takes from this process, for good, all that grading code has no need of. Linux alone.

Landlock leaves it the interpreter's files to read and one folder to write; seccomp an allow-list of
system calls without sockets, processes and signals; rlimits bound memory, time and files; every
capability goes. None of it needs root, none can be taken back. Standard library only: it runs in
the warden, which imports nothing of Slipway.
"""

from __future__ import annotations

import ctypes
import math
import os
import platform
import resource
import struct
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import syscalls  # the warden puts this folder on its path

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 22, 38
SECCOMP_MODE_FILTER = 2
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
CAPABILITIES_V3 = 0x20080522

# Rights of Landlock's first version, by bit; later versions add their own below.
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_FILE, MAKE_REG, TRUNCATE = 1 << 5, 1 << 8, 1 << 14
ALL_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
READING = EXECUTE | READ_FILE | READ_DIR
# Plain files alone: a tree of folders could be made too deep to be taken away again.
WORKING = READ_FILE | READ_DIR | WRITE_FILE | REMOVE_FILE | MAKE_REG
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")

RET_KILL, RET_ALLOW, RET_ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
EPERM, ENOSYS = 1, 38
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
CLONE_THREAD = 0x00010000
TERMINAL_AND_INHERITANCE = (0x5401, 0x5450, 0x5451, 0x541B)
"""ioctl: TCGETS, FIONCLEX, FIOCLEX, FIONREAD."""
PLAIN_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 1030, 1032)
"""fcntl without F_SETOWN and F_SETSIG, by which a signal reaches another process."""


class NotConfined(Exception):
    """This machine can't confine code; nothing was run."""


def confine(folder: Path, *, memory_bytes: int, cpu_s: float, disk_bytes: int) -> None:
    """Confine this process, whose only thread this is, to `folder`; NotConfined when it can't be.

    `memory_bytes` is the whole address space, `disk_bytes` the largest file.
    """
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: math.ceil(cpu_s) + 1,
        resource.RLIMIT_FSIZE: disk_bytes,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    _call("prctl", LIBC.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0))
    _call("prctl", LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _restrict_files(folder)
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))
    _drop_capabilities()
    _filter_calls()


def readable() -> list[str]:
    """Folders of the interpreter, its packages and the libraries they load."""
    paths = sysconfig.get_paths()
    named = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    system = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo"]
    return sorted({*named, os.path.join(sys.base_prefix, "lib"), *system})


def _call(name: str, answer: int) -> int:
    if answer < 0:
        raise NotConfined(f"{name}: {os.strerror(ctypes.get_errno())}")
    return answer


def _restrict_files(folder: Path) -> None:
    version = LIBC.syscall(LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        why = os.strerror(ctypes.get_errno())
        raise NotConfined(f"Landlock is not there ({why}): it takes Linux 5.13 with Landlock on")
    rights = ALL_RIGHTS[max(known for known in ALL_RIGHTS if known <= version)]
    # From version 4 on TCP is Landlock's too, from 6 on signals and abstract sockets.
    network, scope = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    attributes = struct.pack("=QQQ", rights, network, scope)[:size]
    rules = _call("landlock", LIBC.syscall(LANDLOCK_CREATE, attributes, size, 0))
    for path in readable():
        _allow(rules, path, READING)
    for path in DEVICES:
        _allow(rules, path, READ_FILE | WRITE_FILE)
    _allow(rules, str(folder), (WORKING | TRUNCATE) & rights)
    _call("landlock", LIBC.syscall(LANDLOCK_RESTRICT, rules, 0))
    os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    rule = struct.pack("=Qi", rights, place)
    _call(f"landlock {path}", LIBC.syscall(LANDLOCK_ADD, rules, 1, rule, 0))
    os.close(place)


def _drop_capabilities() -> None:
    header = struct.pack("=Ii", CAPABILITIES_V3, 0)
    _call("capset", LIBC.capset(header, bytes(24)))


def _filter_calls() -> None:
    machine = platform.machine()
    if machine not in syscalls.ALLOWED:
        known = ", ".join(syscalls.ALLOWED)
        raise NotConfined(f"system calls of {machine} are not known here: only {known}")
    program = b"".join(_program(machine))
    kept = ctypes.create_string_buffer(program, len(program))
    packed = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(kept))
    _call("seccomp", LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, packed, 0, 0))


def _program(machine: str) -> list[bytes]:
    guarded = syscalls.GUARDED[machine]
    return [
        _step(LOAD, 4),
        _step(EQUAL, syscalls.AUDIT_ARCH[machine], 1, 0),
        _step(RETURN, RET_KILL),
        _step(LOAD, 0),
        *_guard(guarded["clone"], 0, ANY_BIT, (CLONE_THREAD,)),
        *_guard(guarded["ioctl"], 1, EQUAL, TERMINAL_AND_INHERITANCE),
        *_guard(guarded["fcntl"], 1, EQUAL, PLAIN_FCNTL),
        *_guard(guarded["tgkill"], 0, EQUAL, (os.getpid(),)),
        *_guard(guarded["prlimit64"], 0, EQUAL, (0,)),
        # The C library falls back to clone, whose flags can be read.
        *_when(syscalls.CLONE3, [_step(RETURN, RET_ERRNO | ENOSYS)]),
        *(
            step
            for number in syscalls.ALLOWED[machine].values()
            for step in _when(number, [_step(RETURN, RET_ALLOW)])
        ),
        _step(RETURN, RET_ERRNO | EPERM),
    ]


def _guard(number: int, argument: int, test: int, values: Sequence[int]) -> list[bytes]:
    """Allow the call when the low half of its argument passes the test, else refuse it."""
    steps = [_step(LOAD, 16 + 8 * argument)]
    for value in values:
        steps += [_step(test, value, 0, 1), _step(RETURN, RET_ALLOW)]
    return _when(number, [*steps, _step(RETURN, RET_ERRNO | EPERM)])


def _when(number: int, steps: list[bytes]) -> list[bytes]:
    return [_step(EQUAL, number, 0, len(steps)), *steps]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
