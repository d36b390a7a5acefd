"""Runs a command in a terminal of its own, types what comes by standard input, and ends as the command does."""

import os
import pty
import sys

sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
