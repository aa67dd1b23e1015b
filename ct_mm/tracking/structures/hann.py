"""The cosine window that favours small displacements at inference."""
import torch


def hann_window(size: int) -> torch.Tensor:
    """Outer product of two Hann windows without their zero ends.

    Args:
        size: Cells of the score map along one side.

    Returns:
        (1, 1, size, size) float32, largest in the middle: ``0.5 * (1 - cos(2 pi k / (size + 1)))``, k = 1..size.

    Raises:
        ValueError: ``size`` is below 1.
    """
    if size < 1:
        raise ValueError(f'hann_window: size must be at least 1, got {size}')
    k = torch.arange(1, size + 1, dtype=torch.float64)
    window = 0.5 * (1 - torch.cos(2 * torch.pi * k / (size + 1)))  # (S,)
    return torch.outer(window, window)[None, None].float()  # (1, 1, S, S)
