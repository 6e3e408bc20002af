"""What one sees of a run: lines, a table, curves and pictures."""

from official_yolact.training.reports.actions import build_actions

__all__ = ["build_actions"]
