"""How a script ends: with a result, or with one sentence that a user can act on."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """Something the user can mend: the message says what is wrong, in which file, and what to do."""


def run_script(main: Callable[[], None]) -> None:
    """Run a script's main; a UserError becomes a sentence and exit status 2, Ctrl-C becomes status 130."""
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\ninterrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
