"""Draws tracks into images and videos."""
from .draw_boxes import add_legend, choose_colors, draw_boxes
from .video_writer import VideoWriter

__all__ = ['VideoWriter', 'add_legend', 'choose_colors', 'draw_boxes']
