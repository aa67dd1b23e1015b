"""Hooks for trackers; importing this package registers them."""
from .tracker_report_hook import TrackerReportHook

__all__ = ['TrackerReportHook']
