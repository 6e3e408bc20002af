"""Checkpoints of a training: kept, compared, and waited for."""
