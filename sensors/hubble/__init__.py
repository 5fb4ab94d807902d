"""Hubble flows: records, the wire form, connections, drop reasons and the generated stubs."""
