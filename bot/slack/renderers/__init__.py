"""Renderers of the desk's notes in Slack: one `RENDERER` at the foot of each module, found by walking this folder."""
