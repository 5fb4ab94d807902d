"""ACT: people on one side, the cluster's write side on the other."""

__version__ = "0.1.0"
