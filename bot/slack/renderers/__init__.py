"""What a note of the desk says in Slack: one `RENDERER` at the foot of each module, found by walking this folder."""
