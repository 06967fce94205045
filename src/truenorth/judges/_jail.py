"""Locks this process up and then runs the code of an answer. Started by `confine`; imports nothing of truenorth.

Before the code runs: limits on memory, processor time, file sizes and open files; Landlock, so that files can be
read where Python's own library stands and nowhere else; and a seccomp list of system calls that a computation
needs. What is not on the list fails with "operation not permitted": sockets, new processes, other programs,
signals to others, writing or removing files, limits raised again. All of it lasts until the process ends.

Where the kernel has no Landlock, no file can be opened at all, and only the modules of `MODULES` can be imported.
Left out: anything but Linux on x86-64 and arm64.

Sources: seccomp(2), landlock(7), and the kernel's tables of system calls.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import io
import json
import os
import resource
import struct
import sys
from typing import Any

MODULES = """array ast bisect calendar cmath collections copy dataclasses datetime decimal enum fractions functools
hashlib heapq io itertools json math numbers operator queue random re statistics string textwrap threading time
types typing unicodedata uuid""".split()
ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
PLAIN = {  # system calls allowed with any arguments
    "x86_64": """0 1 3 4 5 6 7 8 9 10 11 12 13 14 15 17 19 20 21 22 23 24 25 28 32 33 35 39 60 63 72 79 89 96 97
    98 99 100 102 104 107 108 110 131 158 186 201 202 204 217 218 219 228 229 230 231 262 267 269 270 271 273 292
    293 318 324 332 334 439""",
    "aarch64": """17 23 24 25 48 57 59 61 62 63 64 65 66 67 72 73 78 79 80 93 94 96 98 99 101 113 114 115 123 124
    128 132 134 135 139 153 160 165 169 172 173 174 175 176 177 178 179 214 215 216 222 226 233 278 283 291 293
    439""",
}
OPEN, OPENAT, IOCTL, CLONE, TGKILL, PRLIMIT, CLONE3 = range(7)
SPECIAL = {
    "x86_64": {OPEN: 2, OPENAT: 257, IOCTL: 16, CLONE: 56, TGKILL: 234, PRLIMIT: 302, CLONE3: 435},
    "aarch64": {OPENAT: 56, IOCTL: 29, CLONE: 220, TGKILL: 131, PRLIMIT: 261, CLONE3: 435},
}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
THREAD = 0x10000  # CLONE_THREAD
HARMLESS_IOCTLS = (0x5401, 0x5413, 0x541B)  # is it a terminal, its size, bytes waiting
ALLOW, DENY, NO_SUCH, KILL = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS, 0x80000000
LOAD, EQUAL, ANY_BIT, AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06


class CannotConfine(Exception):
    """This machine has no way to do it."""


def filter_program(machine: str, pid: int, *, may_open: bool) -> bytes:
    """The seccomp filter, as classic BPF. Each rule: if the number is not this one, skip what follows."""

    def step(code: int, k: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("HBBI", code, yes, no, k)

    def word(argument: int, *, high: bool = False) -> bytes:
        return step(LOAD, 16 + 8 * argument + 4 * high)

    def rule(number: int, *body: bytes) -> bytes:
        return step(EQUAL, number, 0, len(body)) + b"".join(body)

    def read_only(argument: int) -> tuple[bytes, ...]:
        if not may_open:
            return (step(RETURN, DENY),)
        return word(argument), step(ANY_BIT, WRITES, 1, 0), step(RETURN, ALLOW), step(RETURN, DENY)

    calls = SPECIAL[machine]
    program = step(LOAD, 4) + step(EQUAL, ARCHES[machine], 1, 0) + step(RETURN, KILL)
    program += step(LOAD, 0) + step(AT_LEAST, 0x40000000, 0, 1) + step(RETURN, KILL)
    for number in map(int, PLAIN[machine].split()):
        program += rule(number, step(RETURN, ALLOW))
    if OPEN in calls:
        program += rule(calls[OPEN], *read_only(1))
    program += rule(calls[OPENAT], *read_only(2))
    program += rule(
        calls[CLONE], word(0), step(ANY_BIT, THREAD, 0, 1), step(RETURN, ALLOW), step(RETURN, DENY)
    )
    program += rule(calls[CLONE3], step(RETURN, NO_SUCH))  # its flags cannot be read here; callers use clone
    program += rule(calls[TGKILL], word(0), step(EQUAL, pid, 0, 1), step(RETURN, ALLOW), step(RETURN, DENY))
    program += rule(  # reading one's own limits only
        calls[PRLIMIT],
        *(word(0), step(EQUAL, 0, 0, 5)),
        *(word(2), step(EQUAL, 0, 0, 3)),
        *(word(2, high=True), step(EQUAL, 0, 0, 1), step(RETURN, ALLOW)),
        step(RETURN, DENY),
    )
    ioctls = b"".join(step(EQUAL, k, 0, 1) + step(RETURN, ALLOW) for k in HARMLESS_IOCTLS)
    body = [word(1), *(ioctls[i : i + 8] for i in range(0, len(ioctls), 8)), step(RETURN, DENY)]
    return program + rule(calls[IOCTL], *body) + step(RETURN, DENY)


def lock(*, memory_mb: int, cpu_s: int, output_bytes: int, readable: list[str]) -> None:
    """Confine this process for good.

    Raises:
        CannotConfine: another system or processor, or a kernel without seccomp.
    """
    machine = os.uname().machine
    if sys.platform != "linux" or machine not in ARCHES:
        raise CannotConfine(f"{sys.platform} on {machine}")
    for kind, limit in (
        (resource.RLIMIT_AS, memory_mb * 2**20),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, output_bytes),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS
        raise CannotConfine("no_new_privs")
    may_open = landlock(libc, readable)
    if not may_open:
        for name in MODULES:
            importlib.import_module(name)
    program = filter_program(machine, os.getpid(), may_open=may_open)
    memory = ctypes.create_string_buffer(program)
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(memory))
    if libc.prctl(22, 2, ctypes.c_char_p(head), 0, 0):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise CannotConfine(f"seccomp ({os.strerror(ctypes.get_errno())})")


def landlock(libc: Any, readable: list[str]) -> bool:
    """Allow reading below `readable` and no other use of files; False where the kernel cannot."""
    if libc.syscall(444, None, 0, 1) < 1:
        return False
    everything = (1 << 13) - 1
    ruleset = libc.syscall(444, ctypes.c_char_p(struct.pack("Q", everything)), 8, 0)
    if ruleset < 0:
        return False
    for path in readable:
        if not os.path.exists(path):
            continue
        folder = os.path.isdir(path)
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = struct.pack("=Qi", 4 | (8 if folder else 0), handle)  # read files, list folders
        failed = libc.syscall(445, ruleset, 1, ctypes.c_char_p(rule), 0)
        os.close(handle)
        if failed:
            return False
    return not libc.syscall(446, ruleset, 0)


def main() -> None:
    """Read the job from standard input, lock up, run; one line of JSON a case to file 3."""
    job = json.loads(sys.stdin.buffer.read())
    said = os.fdopen(3, "w", encoding="utf-8", buffering=1)
    try:
        lock(**job["limits"])
    except CannotConfine as error:
        said.write(json.dumps({"cannot confine": str(error)}) + "\n")
        return
    said.write(json.dumps({"confined": True}) + "\n")
    sys.stdin = io.StringIO(job["stdin"])
    sys.setrecursionlimit(5000)
    sys.argv = ["answer.py"]
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(job["code"], "answer.py", "exec"), names)
    for call in job["calls"]:
        try:
            value = repr(eval(compile(call, "test.py", "eval"), names))
        except Exception as error:
            value = None
            said.write(json.dumps({"error": f"{type(error).__name__}: {str(error)[:200]}"}) + "\n")
        else:
            said.write(json.dumps({"value": value}) + "\n")
    for test in job["asserts"]:
        try:
            exec(compile(test, "test.py", "exec"), names)
        except Exception as error:
            said.write(json.dumps({"error": f"{type(error).__name__}: {str(error)[:200]}"}) + "\n")
        else:
            said.write(json.dumps({"held": True}) + "\n")
    sys.stdout.flush()
    said.write(json.dumps({"done": True}) + "\n")


if __name__ == "__main__":
    main()
