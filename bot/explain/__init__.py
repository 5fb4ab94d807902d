"""Claude's part of an investigation: a durable run of its own, after the verdict of the rules has been said."""
