"""Executes a notebook inside the sandbox: standard input to standard output, with what it got to where a cell fails."""

import json
import os
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


class Telling(NotebookClient):
    """Says on standard error which cell begins and how long the last one took."""

    async def async_execute_cell(self, cell, cell_index, *arguments, **options):
        begun_s = time.monotonic()
        try:
            return await super().async_execute_cell(cell, cell_index, *arguments, **options)
        finally:
            print(f"cell {cell_index + 1}: {time.monotonic() - begun_s:.2f} s", file=sys.stderr)


def main() -> int:
    """Exit status: 0, or 1 where a cell failed."""
    # The kernel and what it runs inherit standard output; the notebook has one of its own.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)
        notebook = nbformat.reads(sys.stdin.read(), as_version=4)
        client = Telling(notebook, kernel_name="python3", timeout=None, resources={"metadata": {"path": os.getcwd()}})
        try:
            client.execute()
        except CellExecutionError:
            return 1
        finally:
            json.dump(notebook, answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
