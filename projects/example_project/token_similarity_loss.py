"""Compares how the tokens of a stage resemble each other, in student and teacher."""
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class TokenSimilarityLoss(nn.Module):
    """Squared difference of the cosine similarities between the search tokens at the end of the last stage.

    Args:
        loss_weight: Weight of the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, student, teacher) -> Tensor:
        """Compares two ``StepOutputs``."""
        similar = []
        for side in (student, teacher):
            tokens = F.normalize(side.stages[-1].by_group()['search'], dim=-1)  # (B, T, C)
            similar.append(tokens @ tokens.transpose(1, 2))  # (B, T, T)
        return self.loss_weight * (similar[0] - similar[1]).square().mean()
