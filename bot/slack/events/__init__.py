"""Events: one module for each type."""
