"""Which cluster a request means: options, opening, and finding the target."""
