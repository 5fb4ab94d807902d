"""Claude: explains a verdict, weighs what conflicts, and asks for the look that decides. Never more certain than the
evidence, never a cause outside the closed list, never a patch."""
