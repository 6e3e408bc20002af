"""Watchers of a running training."""
