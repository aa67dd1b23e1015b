"""Small models of many kinds, in plain torch: how their blocks are listed, called and what they return."""
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from run_name import run_name
from torch import nn

from ct_mm.cli import build_runner
from ct_mm.registry import DATASETS, MODELS

WIDTH, TOKENS = 16, 12


class Block(nn.Module):
    """A pre-norm block; ``shift`` stands for what depends on its place."""

    def __init__(self, width=WIDTH, heads=2, mlp_ratio=2.0, shift=0):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.fc1, self.fc2 = nn.Linear(width, int(width * mlp_ratio)), nn.Linear(int(width * mlp_ratio), width)
        self.shift = shift

    def forward(self, x):
        y = self.norm1(x).roll(self.shift, 1)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))


class TupleBlock(Block):
    """As in transformers: tokens by keyword, a tuple back."""

    def forward(self, hidden_states, position=None, output_attentions=False):
        return super().forward(hidden_states + position), None


class EliminationBlock(Block):
    """Takes and returns an index map; drops the last tokens at some layers."""

    def __init__(self, drops=0, **kwargs):
        super().__init__(**kwargs)
        self.keeps_out = drops

    def forward(self, x, index):
        x = super().forward(x)
        keep = x.shape[1] - self.keeps_out
        return (x[:, :keep], index[:, :keep]) if self.keeps_out else (x, index)


class RunningSequential(nn.Sequential):
    """A Sequential with a forward of its own."""

    def forward(self, x):
        x = 1.5 * x
        for block in self:
            x = block(x)
        return x


@MODELS.register_module(force=True)
class ToyViT(nn.Module):

    def __init__(self, depth=6, **kwargs):
        super().__init__()
        self.blocks = nn.ModuleList(Block(**kwargs) for _ in range(depth))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


@MODELS.register_module(force=True)
class ToySequential(nn.Module):
    arch_zoo = dict(small=dict(num_layers=6))

    def __init__(self, arch='small'):
        super().__init__()
        arch = arch if isinstance(arch, dict) else self.arch_zoo[arch]
        self.blocks = RunningSequential(*(Block() for _ in range(arch['num_layers'])))

    def forward(self, x):
        return self.blocks(x)


@MODELS.register_module(force=True)
class ToyTuples(nn.Module):

    def __init__(self, num_hidden_layers=6):
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(TupleBlock() for _ in range(num_hidden_layers))
        self.position = nn.Parameter(torch.randn(1, TOKENS, WIDTH))

    def forward(self, x):
        for layer in self.encoder.layer:
            x = layer(hidden_states=x, position=self.position, output_attentions=False)[0]
        return x


@MODELS.register_module(force=True)
class ToyHierarchy(nn.Module):
    """Two widths; every second block shifts, as in Swin."""

    def __init__(self, depths=(4, 4), **kwargs):
        super().__init__()
        self.stages = nn.ModuleList()
        for i, depth in enumerate(depths):
            stage = nn.Module()
            stage.blocks = nn.ModuleList(Block(width=WIDTH << i, shift=j % 2, **kwargs) for j in range(depth))
            stage.down = nn.Linear(WIDTH << i, WIDTH << (i + 1))
            self.stages.append(stage)

    def forward(self, x):
        for stage in self.stages:
            for block in stage.blocks:
                x = block(x)
            x = stage.down(x)
        return x.unflatten(-1, (4, -1)).mean(-2)


@MODELS.register_module(force=True)
class ToyOneList(nn.Module):
    """Blocks of two widths and a merging layer in one list, as in HiViT."""

    def __init__(self, depths=(2, 5)):
        super().__init__()
        narrow, wide = ([Block(width=WIDTH << i) for _ in range(depth)] for i, depth in enumerate(depths))
        self.blocks = nn.ModuleList([*narrow, nn.Linear(WIDTH, 2 * WIDTH), *wide])

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x.unflatten(-1, (2, -1)).mean(-2)


@MODELS.register_module(force=True)
class ToyElimination(nn.Module):
    token_groups = dict(template=4, search=TOKENS - 4)

    def __init__(self, depth=6, drops_at=(1, 3)):
        super().__init__()
        self.blocks = nn.ModuleList(EliminationBlock(drops=2 * (i in drops_at)) for i in range(depth))

    def forward(self, x):
        index = torch.arange(x.shape[1]).expand(len(x), -1)
        for block in self.blocks:
            x, index = block(x, index)
        return self.stage_tokens((x, index))[0]

    def stage_tokens(self, output):
        x, index = output
        grid = x.new_zeros(len(x), TOKENS, x.shape[-1]).scatter(1, index[..., None].expand_as(x), x)
        return grid, torch.zeros(grid.shape[:2], dtype=torch.bool).scatter(1, index, True)


@MODELS.register_module(force=True)
class Toy(BaseModel):
    """A model around a trunk with a config of its own."""

    def __init__(self, trunk, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.trunk = MODELS.build(trunk)
        self.head = nn.Linear(WIDTH, 5)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        logits = self.head(self.trunk(inputs))
        return dict(loss=nn.functional.mse_loss(logits, torch.ones_like(logits))) if mode == 'loss' else logits


@MODELS.register_module(force=True)
class ToyDetector(BaseModel):
    """Encoder and decoder whose configs have no type; the decoder's layers take many arguments, its outputs are one."""

    def __init__(self, encoder, decoder, intermediate=True):
        super().__init__()
        make = dict(d_model=WIDTH, nhead=2, dim_feedforward=24, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(**make), encoder['num_layers'],
                                             enable_nested_tensor=False)
        self.decoder = nn.Module()
        self.decoder.layers = nn.ModuleList(nn.TransformerDecoderLayer(**make) for _ in range(decoder['num_layers']))
        self.query = nn.Parameter(torch.randn(1, 3, WIDTH))
        self.head = nn.Linear(WIDTH, 5)
        self.branches = nn.ModuleList(nn.Sequential(nn.Linear(WIDTH, 64), nn.Linear(64, 64)) for _ in range(3))
        self.intermediate = intermediate

    def forward(self, inputs, data_samples=None, mode='tensor'):
        memory, query, outputs = self.encoder(inputs), self.query.expand(len(inputs), -1, -1), []
        for layer in self.decoder.layers:
            query = layer(query, memory=memory, tgt_mask=None)
            outputs.append(query)
        logits = self.head(torch.stack(outputs if self.intermediate else outputs[-1:]))
        return dict(loss=logits.square().mean()) if mode == 'loss' else logits


def in_toy(trunk, **kwargs):
    return dict(type='ct_mm.Toy', trunk=dict(type=f'ct_mm.{trunk}', **kwargs))


#: For each architecture the model's config, what compress says, and the form in which its student is exported.
ARCHITECTURES = dict(
    vit=(in_toy('ToyViT', depth=6), dict(num_stages=3), 'plain'),
    vit_uneven_two_layers=(in_toy('ToyViT', depth=7), dict(stage_sizes=[2, 4, 1], layers_per_stage=[1, 2, 1]), 'plain'),
    sequential=(in_toy('ToySequential'), dict(num_stages=2, layers='trunk.blocks'), 'plain'),
    tuples=(in_toy('ToyTuples'), dict(num_stages=3), 'plain'),
    hierarchy=(in_toy('ToyHierarchy'), dict(num_stages=2), 'divided'),
    hierarchy_plain=(in_toy('ToyHierarchy'),
                     dict(stage_sizes=[[3, 1], [1, 3]], copy=['first', 'last'], layers='trunk'), 'plain'),
    one_list=(in_toy('ToyOneList'), dict(num_stages=[1, 3]), 'plain'),
    one_list_part=(in_toy('ToyOneList'), dict(num_stages=2, layers='trunk.blocks[4:8]'), 'divided'),
    elimination=(in_toy('ToyElimination'), dict(num_stages=3), 'divided'),
    detector=(dict(type='ct_mm.ToyDetector', encoder=dict(num_layers=4), decoder=dict(num_layers=5)),
              dict(layers=['encoder.layers', 'decoder.layers'], num_stages=[2, 3]), 'plain'),
    detector_decoder=(dict(type='ct_mm.ToyDetector', encoder=dict(num_layers=4), decoder=dict(num_layers=4)),
                      dict(layers='decoder.layers', num_stages=2), 'plain'),
    narrow_mlp=(in_toy('ToyViT', depth=6), dict(num_stages=3, student=dict(mlp_ratio=1.0)), 'plain'),
    narrow=(in_toy('ToyViT', depth=6), dict(num_stages=3, student=dict(width=8), layers_per_stage=[1, 2, 1]), 'folded'),
    narrow_hierarchy=(in_toy('ToyHierarchy'),
                      dict(num_stages=2, student=[dict(mlp_ratio=1.0), dict(heads=1)]), 'divided'),
)
GUIDANCE = dict(predictions='head', guidance=dict(type='ct_mm.OutputGuidanceLoss', loss='mse'))


@pytest.fixture(params=ARCHITECTURES)
def case(request, tmp_path):
    """A distiller with its teacher read, the model's config, and the form expected of its student."""
    model, settings, form = ARCHITECTURES[request.param]
    torch.manual_seed(0)
    teacher = MODELS.build(model)
    for value in teacher.parameters():
        torch.nn.init.normal_(value, std=0.2)
    torch.save(teacher.state_dict(), tmp_path / 'teacher.pth')
    file = str(tmp_path / 'teacher.pth')
    distiller = MODELS.build(
        dict(type='ct_mm.ReplacementDistiller', model=model, teacher=file, **settings, **GUIDANCE))
    distiller.init_weights()
    return distiller, model, form


@pytest.fixture
def batch():
    return torch.randn(2, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1))


@MODELS.register_module(force=True)
class Tutorial(BaseModel):
    """As in MMEngine's tutorial: a batch without names, and nothing returned in mode ``tensor``."""

    def __init__(self, depth=4, data_preprocessor=None):
        super().__init__(data_preprocessor)
        self.blocks = nn.Sequential(*(TutorialBlock() for _ in range(depth)))
        self.head = nn.Linear(16, 3)

    def forward(self, images, labels, mode):
        scores = self.head(self.blocks(images).mean(1))
        if mode == 'loss':
            return dict(loss=nn.functional.cross_entropy(scores, labels))
        return (scores, labels) if mode == 'predict' else None


class TutorialBlock(nn.Module):

    def __init__(self):
        super().__init__()
        self.norm, self.enter, self.write = nn.LayerNorm(16), nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x):
        return x + self.write(self.enter(self.norm(x)).relu())


@DATASETS.register_module(force=True)
class Labelled(torch.utils.data.Dataset):
    """Samples as tuples, or as lists."""

    def __init__(self, kind='tuple'):
        self.kind = dict(tuple=tuple, list=list)[kind]

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return self.kind([torch.randn(12, 16, generator=torch.Generator().manual_seed(index)), index % 3])


@DATASETS.register_module(force=True)
class Tokens(torch.utils.data.Dataset):

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return dict(inputs=torch.randn(12, 16, generator=torch.Generator().manual_seed(index)))


@pytest.fixture
def run(tmp_path):
    """Compresses a model in a run of two epochs of three iterations; returns the runner."""

    def start(name, model, stop_after=None, resume=False, dataset='Tokens', change=lambda cfg: cfg, **compress):
        torch.manual_seed(0)
        torch.save(MODELS.build(model).state_dict(), tmp_path / 'teacher.pth')
        cfg = Config(dict(
            default_scope='mmengine', runner_type='ct_mm.CompressRunner', experiment_name=run_name(tmp_path),
            work_dir=str(tmp_path / name), resume=resume, model=model,
            compress=dict(dict(
                teacher=str(tmp_path / 'teacher.pth'), predictions='head',
                guidance=dict(type='ct_mm.OutputGuidanceLoss', loss='mse')), **compress),
            train_dataloader=dict(
                batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=True),
                collate_fn=dict(type='default_collate'), dataset=dict(type=f'ct_mm.{dataset}')),
            optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)),
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2), randomness=dict(seed=0)))
        runner = build_runner(change(cfg))
        if stop_after is not None:
            runner.train_loop._max_epochs = stop_after
        runner.train()
        return runner

    return start
