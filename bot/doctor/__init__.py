"""Finds out before an incident what an investigation would be missing, and says what mends it."""

from bot.doctor.check import Check, State, exit_code
from bot.doctor.examine import examine

__all__ = ["Check", "State", "examine", "exit_code"]
