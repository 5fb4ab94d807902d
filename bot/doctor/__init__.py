"""Finds out before an incident what an investigation would be missing, and says what mends it."""

from bot.doctor.check import Check, CheckState, exit_code
from bot.doctor.examine import examine

__all__ = ["Check", "CheckState", "examine", "exit_code"]
