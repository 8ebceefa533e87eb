"""Builds the sandbox's root folder from inside its namespaces, enters it, gives up all rights, and runs the command.

`unshare` runs it with the plan as JSON. It knows the standard library alone: nothing else has to be found here.
"""

import ctypes
import fcntl
import json
import os
import re
import socket
import struct
import sys
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
# mount(2), umount2(2), prctl(2), netdevice(7)
READ_ONLY, NO_SUID, NO_DEVICES, NO_PROGRAMS, REMOUNT, BIND, RECURSIVE = 1, 2, 4, 8, 32, 4096, 16384
KEPT = {"nosuid": NO_SUID, "nodev": NO_DEVICES, "noexec": NO_PROGRAMS}  # a user namespace may not take these off
DETACH = 2
DROP_CAPABILITY = 24
GET_FLAGS, SET_FLAGS, UP = 0x8913, 0x8914, 1
WORKING, SHARED_MEMORY, TERMINALS = "/kaggle/working", "/dev/shm", "/dev/pts"
WRITABLE = (WORKING, SHARED_MEMORY, TERMINALS)


def main() -> None:
    """Build, enter, seal, and become the command."""
    plan = json.loads(sys.argv[1])
    root = plan["root"]
    build(root, plan)
    enter(root)
    seal()
    loopback_up()
    drop_capabilities()
    os.chdir(WORKING)
    os.execve(plan["command"][0], plan["command"], plan["environment"])


def build(root: str, plan: dict) -> None:
    """Mount everything of the plan below `root`."""
    mount("tmpfs", root, "tmpfs", NO_SUID | NO_DEVICES, "mode=755")
    for folder in plan["system"]:
        bind(folder, root + folder)
    for device in plan["devices"]:
        bind(device, root + device)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{target}", f"{root}/dev/{name}")
    os.symlink("pts/ptmx", f"{root}/dev/ptmx")
    fresh("tmpfs", root + SHARED_MEMORY, "mode=1777")
    fresh("devpts", root + TERMINALS, "newinstance,ptmxmode=0666,mode=620")
    fresh("proc", root + "/proc")
    for place in ("/tmp", "/kaggle/input"):
        os.makedirs(root + place, exist_ok=True)
    for place, folder in plan["inputs"].items():
        bind(folder, root + place)
    bind(plan["working"], root + WORKING)


def enter(root: str) -> None:
    """Make `root` the root folder and let go of the one before."""
    os.chdir(root)
    check(LIBC.pivot_root(b".", b"."), "pivot_root")
    check(LIBC.umount2(b".", DETACH), "umount2")
    os.chdir("/")


def seal() -> None:
    """Make everything that is mounted read-only, but for the places that are not."""
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        place, options = (re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), word) for word in line.split()[4:6])
        if place not in WRITABLE:
            kept = sum(KEPT.get(option, 0) for option in options.split(","))
            mount("none", place, "none", REMOUNT | BIND | READ_ONLY | kept)


def loopback_up() -> None:
    """Switch on the loopback of this network, which has no other device: Jupyter talks to its kernel by it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        answer = fcntl.ioctl(handle, GET_FLAGS, struct.pack("16sH22x", b"lo", 0))
        flags = struct.unpack("16sH22x", answer)[1]
        fcntl.ioctl(handle, SET_FLAGS, struct.pack("16sH22x", b"lo", flags | UP))


def drop_capabilities() -> None:
    """Take every right from what is run next, so that it cannot mount anything again."""
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    for capability in range(last + 1):
        check(LIBC.prctl(DROP_CAPABILITY, capability, 0, 0, 0), "prctl")


def bind(source: str, target: str) -> None:
    """Show a folder or file at another place too, with all that is mounted below it."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    mount(source, target, "none", BIND | RECURSIVE)


def fresh(kind: str, target: str, options: str = "") -> None:
    """Mount a new file system of that kind."""
    os.makedirs(target, exist_ok=True)
    no_devices = 0 if kind == "devpts" else NO_DEVICES
    mount(kind, target, kind, NO_SUID | NO_PROGRAMS | no_devices, options)


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """mount(2); OSError where it fails."""
    arguments = (os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), options.encode())
    check(LIBC.mount(*arguments), f"mount {source} at {target}")


def check(result: int, doing: str) -> None:
    """OSError where a call of the C library failed."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


if __name__ == "__main__":
    main()
