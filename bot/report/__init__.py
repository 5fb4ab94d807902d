"""A diagnosis in words: one outline of what is said, rendered as text, Markdown or JSON. Pure, apart from colour."""
