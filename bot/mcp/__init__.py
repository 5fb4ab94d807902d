"""KAI for other agents (Model Context Protocol): they may ask what a person may ask, and change nothing."""
