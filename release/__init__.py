"""What a release hands out: packages, the plug-in for krew, the docs."""
