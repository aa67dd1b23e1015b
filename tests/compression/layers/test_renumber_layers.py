from torch import nn

from ct_mm.compression.layers.layer_copy import renumber_layers


class Layer(nn.Module):

    def __init__(self, index, shift):
        super().__init__()
        self.attention = nn.Linear(2, 2)
        self.attention.layer_idx = index
        self.shift = shift


def test_layers_are_numbered_without_gaps_and_nothing_else_is_changed():
    blocks = [Layer(i, i) for i in range(2, 8)]
    layers = [blocks[1], blocks[3], blocks[5]]
    renumber_layers(blocks, layers)
    assert [layer.attention.layer_idx for layer in layers] == [2, 3, 4]
    assert [layer.shift for layer in layers] == [3, 5, 7]


def test_what_does_not_count_the_layers_is_no_number():
    blocks = [Layer(i % 2, 0) for i in range(4)]
    renumber_layers(blocks, [blocks[1], blocks[3]])
    assert [block.attention.layer_idx for block in blocks] == [0, 1, 0, 1]
