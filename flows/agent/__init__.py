"""Claude beside the rules: what is sent, what may come back, and what of it holds."""
