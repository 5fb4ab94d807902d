"""Reads the words that a person typed, or that an alert carries: text in, a request out. All pure."""
