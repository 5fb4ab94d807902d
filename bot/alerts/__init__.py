"""Alerts start investigations: is it network at all, who is meant, was it heard before, is it a storm?

Below Slack and webhooks: what comes in is an `Alert` (bot.triggers), what is said goes out by the port `Voice`.
"""
