from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from ct_mm.compression.export.same_structure import difference


class Layer(nn.Module):

    def __init__(self, shift=0, drop=0.0, act=F.gelu, mask=None, table=None, **attributes):
        super().__init__()
        self.attn = nn.Linear(4, 4)
        self.attn.shift_size, self.attn.window = shift, (7, 7)
        self.drop_path = nn.Dropout(drop) if drop else nn.Identity()
        self.drop_rate, self.act = drop, act
        self.register_buffer('mask', mask, persistent=False)
        self.register_buffer('table', table)
        self.__dict__.update(attributes)


def test_what_decides_what_a_layer_computes_is_compared():
    assert difference(Layer(), Layer()) is None
    assert difference(Layer(shift=3), Layer()) == 'attn.shift_size is 3 instead of 0'
    assert difference(Layer(mask=torch.ones(2, 2)), Layer()) == 'mask is a tensor (2, 2) instead of None'
    assert difference(Layer(mask=torch.ones(2)), Layer(mask=torch.zeros(2))) is not None
    assert difference(Layer(act=F.relu), Layer()).startswith('act is ')
    assert difference(Layer(scale=partial(F.gelu, approximate='tanh')), Layer(scale=partial(F.gelu))) is not None
    assert difference(Layer(size=[1, (2, dict(a=3))]), Layer(size=[1, (2, dict(a=4))])) is not None
    assert difference(nn.Sequential(nn.ReLU()), nn.Sequential(nn.GELU())) == '0 is ReLU instead of GELU'
    assert difference(nn.Sequential(nn.ReLU()), nn.Sequential()) == '0 is ReLU instead of NoneType'
    assert difference(Layer(flag=1), Layer(flag=True)) is not None


def test_drop_rates_and_what_a_checkpoint_holds_may_differ():
    assert difference(Layer(drop=0.1), Layer()) is None
    assert difference(Layer(drop=0.1), Layer(drop=0.2)) is None
    assert difference(Layer(table=torch.ones(2)), Layer(table=torch.zeros(2))) is None
    assert difference(Layer(_cache=1, training=False), Layer(_cache=2)) is None


def test_the_same_functions_made_twice_are_the_same():

    def make():

        def scaled(x):
            return 2 * x

        return scaled

    assert difference(Layer(act=make()), Layer(act=make())) is None
    assert difference(Layer(act=partial(F.gelu, approximate='tanh')), Layer(act=partial(F.gelu, approximate='tanh'))) \
        is None
