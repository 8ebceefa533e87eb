"""Run a script, all slow imports done, with so many MB of addresses more than it has by then: MB SCRIPT ARGUMENT ..."""

import resource
import runpy
import sys
from pathlib import Path

import slow_imports  # noqa: F401

more = int(float(sys.argv[1]) * 1e6)
now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + more, now + more))
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
