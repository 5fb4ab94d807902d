"""A second opinion on what the network does: policy objects judged one packet at a time, in the plainest way.

It shares nothing with `flows.policy` and imports nothing of ours, so that a fix is not verified by the simulator that
made it. It is slow, knows NetworkPolicy and Cilium's two kinds, and says `CannotTell` instead of guessing.
"""

from lab.oracle.ends import CannotTell, End
from lab.oracle.network import OracleNetwork

__all__ = ["CannotTell", "End", "OracleNetwork"]
