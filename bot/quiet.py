"""The log of commands that answer and end."""

from __future__ import annotations

import logging
import sys
import warnings


def quiet(debug: bool) -> None:
    """For commands that answer and end: without --debug the log says nothing, for what matters is in the report."""
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if getattr(each, "name", None) != "kai"]
    handler = logging.StreamHandler(sys.stderr) if debug else logging.NullHandler()
    handler.set_name("kai")
    root.addHandler(handler)
    if debug:
        root.setLevel(logging.DEBUG)
    else:  # a look that its time limit cuts leaves coroutines behind that were never begun
        warnings.filterwarnings("ignore", message="coroutine .* was never awaited", category=RuntimeWarning)
