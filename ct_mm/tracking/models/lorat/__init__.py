"""LoRAT: DINOv2 backbone, head, tracker, and in ``converter`` the conversion of released weights."""
from .dinov2 import OneStreamDINOv2
from .lorat import LoRAT
from .lorat_head import LoRATHead

__all__ = ['LoRAT', 'LoRATHead', 'OneStreamDINOv2']
