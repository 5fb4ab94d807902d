"""Turns SVG on stdin into PNG on stdout with resvg and the font file that is named: a program of its own.

resvg holds the interpreter's lock for as long as it draws, a fifth of a second: whoever serves has it done elsewhere
(`bot.report.picture.png`). Nothing of KAI is imported here, so that it starts in no time.
"""

from __future__ import annotations

import os
import sys

COURTESY = 10
"""A nice value: who asks, is looked for and is answered comes first."""


def png(svg: str, font: str) -> bytes:
    """Twice the size, so that it is sharp on a telephone. Nothing but the font is read from the machine."""
    import resvg_py

    made = resvg_py.svg_to_bytes(svg_string=svg, font_files=[font], skip_system_fonts=True, font_family="Inter", zoom=2)
    return bytes(made)


if __name__ == "__main__":
    os.nice(COURTESY)
    sys.stdout.buffer.write(png(sys.stdin.buffer.read().decode(), sys.argv[1]))
