"""How a script ends: with a result, stopped in time, or with one sentence that a user can act on."""

import errno
import sys
from collections.abc import Callable

from messy_mashup.credentials import hide_in_tracebacks, scrubbed

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
UNWRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)
NO_FOLDER = (errno.ENOTDIR, errno.EEXIST)  # a file is where a folder belongs
NO_MEMORY = (  # so say torch's allocators, C++, the system, and oneDNN of a primitive whose code finds no room
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "Cannot allocate memory",
    "could not create a primitive",
)
STOPPED_STATUS = 75  # EX_TEMPFAIL of sysexits.h: the same command goes on
INTERRUPTED_STATUS = 130


class UserError(Exception):
    """Something the user can mend: the message says what is wrong, in which file, and what to do."""


class Stopped(Exception):
    """Work that was broken off in time, with everything saved: the message says why and what is left."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's main; a UserError becomes a sentence and exit status 2, Stopped status 75, Ctrl-C status 130.

    So does what the machine lacks: room on a disk, a folder to write to, memory. Other errors keep their traceback.
    Whatever is told is told without the user's credentials.
    """
    hide_in_tracebacks()
    try:
        main()
    except UserError as error:
        _end(error)
    except Stopped as stopped:
        print(scrubbed(f"stopped: {stopped}"), file=sys.stderr)
        sys.exit(STOPPED_STATUS)
    except (OSError, MemoryError, RuntimeError) as error:
        if not (sentence := _file_fault(error) or _memory_fault(error)):
            raise
        _end(sentence)
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(INTERRUPTED_STATUS)


def unwritable(place: object, error: object) -> str:
    """The sentence about a file or folder that the system does not let us write."""
    return (
        f"{place} cannot be written ({error}): name a folder that can be written, or see to its rights, then run the "
        "same command again"
    )


def no_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: of Python, NumPy, torch on a CPU, or a GPU."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's is a RuntimeError
    return named or (isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY))


def _file_fault(error: BaseException) -> str | None:
    if not isinstance(error, OSError):
        return None
    if error.errno in FULL_DISK:
        return f"the disk is full ({error}): make room, then run the same command again"
    if error.filename is not None and error.errno in UNWRITABLE:
        return f"{error.filename} cannot be read or written ({error.strerror}): see to its rights or name another"
    if error.filename is not None and error.errno in NO_FOLDER:
        return f"{error.filename} is in the way ({error.strerror}): remove it or name another place"
    return None


def _memory_fault(error: BaseException) -> str | None:
    if not no_memory(error):
        return None
    told = (str(error).strip() or type(error).__name__).splitlines()[0]
    return (
        f"memory ran out ({told}): end other programs or take a machine with more, then run the same command again; "
        "what was saved is kept"
    )


def _end(sentence: object) -> None:
    print(scrubbed(f"error: {sentence}"), file=sys.stderr)
    sys.exit(2)
