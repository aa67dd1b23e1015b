"""Hooks for trackers; importing this package registers them."""
from .first_box_hook import FirstBoxHook
from .tracker_report_hook import TrackerReportHook

__all__ = ['FirstBoxHook', 'TrackerReportHook']
