"""Meaning of an address: the pod, Service or node behind it. One answer for every sensor, rule and report."""
