"""Modals that are submitted: one module each."""
