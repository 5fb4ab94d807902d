"""Looks again after a change: is the very traffic that was dropped forwarded now, and is nothing else denied?"""
