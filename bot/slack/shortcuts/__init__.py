"""Shortcuts: one module each."""
