"""A small file of SUTrack as its authors would release it: their names, random weights."""
import torch


def released_state(width=32, stem_depths=(1, 2), depth=4, template=2, search=4, channels=16, clip_width=12, seed=0):
    """Weights by official name; ``template`` and ``search`` are sides in tokens."""
    rng = torch.Generator().manual_seed(seed)
    state = {}

    def put(name, *shape, bias=None):
        state[name] = torch.randn(shape, generator=rng) * 0.2
        if bias:
            state[name.replace('weight', 'bias')] = torch.randn(bias, generator=rng) * 0.2

    def norm(name, size):
        put(f'{name}.weight', size, bias=size)
        state[f'{name}.weight'] += 1

    body = 'encoder.body'
    for name, shape in (('cls_token', (1, 1, width)), ('pos_embed', (1, template**2 + search**2, width)),
                        ('template_background_token', (width, )), ('template_foreground_token', (width, )),
                        ('search_token', (width, ))):
        put(f'{body}.{name}', *shape)
    put(f'{body}.patch_embed.proj.weight', width // 4, 6, 4, 4, bias=width // 4)
    number = 0
    for side, blocks in ((width // 4, stem_depths[0]), (width // 2, stem_depths[1])):
        for _ in range(blocks):
            name = f'{body}.blocks.{number}'
            norm(f'{name}.norm2', side)
            put(f'{name}.mlp.fc1.weight', 3 * side, side, 1, 1, bias=3 * side)
            norm(f'{name}.mlp.ffn_ln', 3 * side)
            put(f'{name}.mlp.fc2.weight', side, 3 * side, 1, 1, bias=side)
            number += 1
        norm(f'{body}.blocks.{number}.norm', side)
        put(f'{body}.blocks.{number}.reduction.weight', 2 * side, side, 2, 2, bias=2 * side)
        number += 1
    for _ in range(depth):
        name = f'{body}.blocks.{number}'
        for part in ('gamma_1', 'gamma_2', 'attn.q_bias', 'attn.v_bias'):
            put(f'{name}.{part}', width)
        norm(f'{name}.norm1', width)
        norm(f'{name}.norm2', width)
        for part in ('q_proj', 'k_proj', 'v_proj'):
            put(f'{name}.attn.{part}.weight', width, width)
        put(f'{name}.attn.proj.weight', width, width, bias=width)
        put(f'{name}.mlp.w1.weight', 3 * width, width, bias=3 * width)
        put(f'{name}.mlp.w2.weight', 3 * width, width, bias=3 * width)
        norm(f'{name}.mlp.ffn_ln', 3 * width)
        put(f'{name}.mlp.w3.weight', width, 3 * width, bias=width)
        number += 1
    norm(f'{body}.fc_norm', width)
    for branch, outputs in (('ctr', 1), ('offset', 2), ('size', 2)):
        widths = [width, *(channels // 2**i for i in range(4))]
        for i, (before, after) in enumerate(zip(widths, widths[1:]), 1):
            put(f'decoder.conv{i}_{branch}.0.weight', after, before, 3, 3, bias=after)
            norm(f'decoder.conv{i}_{branch}.1', after)
            state[f'decoder.conv{i}_{branch}.1.running_mean'] = torch.zeros(after)
            state[f'decoder.conv{i}_{branch}.1.running_var'] = torch.ones(after)
            state[f'decoder.conv{i}_{branch}.1.num_batches_tracked'] = torch.tensor(1)
        put(f'decoder.conv5_{branch}.weight', outputs, widths[-1], 1, 1, bias=outputs)
    for i, (before, after) in enumerate(((width, 24), (24, 24), (24, 5))):
        put(f'task_decoder.layers.{i}.weight', after, before, bias=after)
    put('text_encoder.text_proj.weight', width, 10, bias=width)
    norm('text_encoder.norm1', 10)
    norm('text_encoder.norm2', width)
    state.update({f'text_encoder.clip.{key}': value for key, value in clip_state(rng, clip_width).items()})
    return state


def clip_state(rng, width=12, out=10):
    """Weights of a CLIP with two layers of text and a visual tower."""
    def random(*shape):
        return torch.randn(shape, generator=rng) * 0.3

    state = {'token_embedding.weight': random(20, width), 'positional_embedding': random(77, width),
             'text_projection': random(width, out), 'ln_final.weight': random(width), 'ln_final.bias': random(width),
             'logit_scale': random(), 'visual.proj': random(8, out), 'visual.ln_pre.weight': random(8)}
    for layer in range(2):
        name = f'transformer.resblocks.{layer}'
        for part, shape in (('attn.in_proj_weight', (3 * width, width)), ('attn.in_proj_bias', (3 * width, )),
                            ('attn.out_proj.weight', (width, width)), ('attn.out_proj.bias', (width, )),
                            ('ln_1.weight', (width, )), ('ln_1.bias', (width, )), ('ln_2.weight', (width, )),
                            ('ln_2.bias', (width, )), ('mlp.c_fc.weight', (4 * width, width)),
                            ('mlp.c_fc.bias', (4 * width, )), ('mlp.c_proj.weight', (width, 4 * width)),
                            ('mlp.c_proj.bias', (width, ))):
            state[f'{name}.{part}'] = random(*shape)
    return state
