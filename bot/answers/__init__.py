"""The conversation about a verdict: one grammar for what people ask, and answers from what is stored."""
