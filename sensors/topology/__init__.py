"""What an address means: which pod, Service or node stands behind it. One answer for every sensor, rule and report."""
