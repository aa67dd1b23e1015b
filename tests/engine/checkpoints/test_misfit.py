import torch

from ct_mm.engine.checkpoints.misfit import find_misfit


def test_it_names_what_is_missing_surplus_and_of_another_shape():
    own = dict(a=torch.ones(2), b=torch.ones(1), c=torch.ones(3))
    misfit = find_misfit(own, dict(a=torch.ones(2), b=torch.ones(4), d=torch.ones(1)))
    assert misfit and (misfit.missing, misfit.surplus) == (['c'], ['d'])
    assert str(misfit) == ('1 of another shape (b: shape (4,) in the checkpoint, (1,) in the model); 1 missing (c); '
                           '1 not in the model (d), where the model has 3 entries')
    assert not find_misfit(own, own)


def test_a_long_list_is_cut():
    assert '7 missing (w0, w1, w2, w3, w4, ...)' in str(find_misfit({f'w{i}': torch.ones(1) for i in range(7)}, {}))
