"""Turns a rule's remedy into patches with a way back, a `kubectl` line and, for policies, a proof."""
