"""Buttons: one module for each, which registers its own `action_id`."""
