"""Every path of a distiller can be exported, for models of many kinds."""
import itertools

import pytest
import torch

from ct_mm.compression.export.hybrid import hybrid_depth
from ct_mm.compression.export.student import export_student
from ct_mm.compression.layers.adapter import layer_width
from ct_mm.registry import MODELS

#: Architectures whose hybrids can be plain on at least some paths.
PLAIN = ('vit', 'sequential', 'tuples', 'one_list', 'detector', 'detector_decoder')


def run(model, batch):
    with torch.no_grad():
        # PyTorch's attention takes another kernel, with other roundings, if its weights require a gradient
        return model.eval().requires_grad_(False)(batch, mode='tensor')


@pytest.fixture
def trained(case):
    """The distiller, changed as by training: also what is outside its stages."""
    distiller, *_ = case
    torch.manual_seed(2)
    for value in distiller.parameters():
        torch.nn.init.normal_(value, std=0.2)
    return case


def test_each_path_is_exported_as_the_distiller_runs_it(trained, batch, request):
    distiller, config, _ = trained
    divided, forms = distiller.divided, {}
    for path in itertools.product((True, False), repeat=divided.num_stages):
        with divided.along(path):
            expected = run(distiller.student, batch)
        student = export_student(distiller, config, dict(inputs=batch), path)
        model = MODELS.build(student.config)
        model.load_state_dict(student.weights)
        out = run(model, batch)
        forms[path] = student.form
        if student.form == 'folded':
            assert all(path), 'only the pure student is folded'
            torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-4)
        elif out.shape == expected.shape:
            assert torch.equal(out, expected), path
        else:  # a plain decoder with fewer layers has fewer intermediate outputs, one product for all of them
            torch.testing.assert_close(out[-1], expected[-1], rtol=1e-6, atol=1e-6)
        slots = [module for module in model.modules() if type(module).__name__ == 'Slot' and module.layer is not None]
        assert len(slots) in (0, hybrid_depth(divided, path)) and bool(slots) == (student.form != 'plain')
    name = request.node.callspec.params['case']
    assert name not in PLAIN or set(forms.values()) == {'plain'}
    mixed = {form for path, form in forms.items() if any(path) and not all(path)}
    assert not name.startswith('narrow') or mixed == {'divided'}


@pytest.mark.parametrize('case', ['narrow'], indirect=True)
def test_only_stages_of_the_student_have_adapters(trained, batch):
    distiller, config, _ = trained
    student = export_student(distiller, config, dict(inputs=batch), (True, False, True))
    model = MODELS.build(student.config)
    slots = [slot for slot in model.modules() if type(slot).__name__ == 'Slot' and slot.layer is not None]
    assert [layer_width(slot.layer) for slot in slots] == [8, 16, 16, 8]
    assert [(slot.enter is not None, slot.leave is not None) for slot in slots] == [
        (True, True), (False, False), (False, False), (True, True)]
    assert 'another width' in student.reason


@pytest.mark.parametrize('case', ['vit'], indirect=True)
def test_a_hybrid_needs_a_path_that_fits_and_a_teacher(trained, batch):
    distiller, config, _ = trained
    with pytest.raises(ValueError, match='path 10 has 2 entries for 3 stages'):
        export_student(distiller, config, None, (True, False))
    distiller.unused_teacher_keys = None
    with pytest.raises(ValueError, match='the teacher has no weights'):
        export_student(distiller, config, None, (True, False, True))
