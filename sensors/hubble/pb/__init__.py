"""Hubble's own messages and calls, generated from Cilium's protos. Nothing that reads recordings imports this."""
