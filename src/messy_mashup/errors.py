"""How a script ends: with a result, stopped in time, or with one sentence that a user can act on."""

import errno
import sys
from collections.abc import Callable

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
STOPPED_STATUS = 75  # EX_TEMPFAIL of sysexits.h: the same command goes on
INTERRUPTED_STATUS = 130


class UserError(Exception):
    """Something the user can mend: the message says what is wrong, in which file, and what to do."""


class Stopped(Exception):
    """Work that was broken off in time, with everything saved: the message says why and what is left."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's main; a UserError becomes a sentence and exit status 2, Stopped status 75, Ctrl-C status 130."""
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except Stopped as stopped:
        print(f"stopped: {stopped}", file=sys.stderr)
        sys.exit(STOPPED_STATUS)
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        print(f"error: the disk is full ({error}): make room, then run the same command again", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(INTERRUPTED_STATUS)
