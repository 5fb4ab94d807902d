"""A hubble-relay in a box: answers the real protocol from recorded flows, and fails on request."""

from __future__ import annotations

from lab.observer.ring import Ring
from lab.observer.server import Manners, Node, ObserverServer, ServerTls, nodes_of

__all__ = ["Manners", "Node", "ObserverServer", "Ring", "ServerTls", "nodes_of"]
