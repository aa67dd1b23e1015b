"""Networks of PyTorch, timm and transformers, which know nothing of MMEngine."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ..row import Case, row

HERE = 'architectures.rows.networks'
#: Settings that make a model small.
TINY_TIMM = dict(img_size=32, patch_size=8, embed_dim=32, depth=6, num_heads=2)
TINY_HF = dict(hidden_size=32, num_hidden_layers=6, num_attention_heads=2, intermediate_size=64)
TINY_PATCHES = dict(image_size=32, patch_size=8)
IMAGE, PIXELS = dict(x=(3, 32, 32)), dict(pixel_values=(3, 32, 32))


def torch_encoder(num_layers: int, width: int = 32) -> nn.Module:
    """An encoder of PyTorch, batch first."""
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(width, 2, 2 * width, 0.0, batch_first=True), num_layers)


def torch_decoder(num_layers: int, width: int = 32) -> nn.Module:
    """A decoder of PyTorch, batch first."""
    return nn.TransformerDecoder(nn.TransformerDecoderLayer(width, 2, 2 * width, 0.0, batch_first=True), num_layers)


def torch_transformer(num_encoder_layers: int, num_decoder_layers: int, width: int = 32) -> nn.Module:
    """Both, batch first."""
    return nn.Transformer(width, 2, num_encoder_layers, num_decoder_layers, 2 * width, 0.0, batch_first=True)


def from_transformers(model: str, config: str, **settings: Any) -> nn.Module:
    """A model of transformers from the settings of its config, with random weights."""
    import transformers
    return getattr(transformers, model)(getattr(transformers, config)(**settings))


def case(network: dict, source: str, shapes: dict[str, Sequence[int]] | None = None, words: str | None = None,
         note: str = '', **compress: Any) -> Case:
    """A network that regresses a number from noise.

    Args:
        network: Config of the network.
        source: Library.
        shapes: Shape of each input.
        words: Name of an input of 12 words out of 64.
        note: See :class:`Case`.
        **compress: Of the config.
    """
    rng = torch.Generator().manual_seed(0)
    samples = []
    for _ in range(4):
        inputs = {name: torch.randn(*shape, generator=rng) for name, shape in (shapes or {}).items()}
        if words:
            inputs[words] = torch.randint(2, 64, (12, ), generator=rng)
        samples.append(dict(inputs=inputs, data_samples=torch.randn(1, generator=rng)))
    model = dict(type='architectures.network_model.NetworkModel', network=network)
    return Case(model, samples, dict(num_stages=3) | compress, source=source, note=note)


@row('nn.TransformerEncoder', 'torch')
def encoder() -> Case:
    return case(dict(type=f'{HERE}.torch_encoder', num_layers=6), 'torch', dict(src=(10, 32)))


@row('nn.TransformerDecoder', 'torch')
def decoder() -> Case:
    return case(dict(type=f'{HERE}.torch_decoder', num_layers=6), 'torch', dict(tgt=(5, 32), memory=(10, 32)))


@row('nn.Transformer', 'torch')
def transformer() -> Case:
    return case(
        dict(type=f'{HERE}.torch_transformer', num_encoder_layers=6, num_decoder_layers=4), 'torch',
        dict(src=(10, 32), tgt=(5, 32)), layers=['network.encoder.layers', 'network.decoder.layers'],
        num_stages=[3, 2])


def timm_network(model_name: str, **settings: Any) -> dict:
    """Config of a small model of timm."""
    return dict(type='timm.create_model', model_name=model_name, num_classes=5, **settings)


@row('ViT', 'timm')
def timm_vit() -> Case:
    return case(timm_network('vit_tiny_patch16_224', **TINY_TIMM), 'timm', IMAGE)


@row('DINOv2 with registers', 'timm')
def timm_dinov2() -> Case:
    return case(timm_network('vit_small_patch14_reg4_dinov2', init_values=0.5, **TINY_TIMM), 'timm', IMAGE)


@row('EVA-02', 'timm')
def timm_eva() -> Case:
    return case(timm_network('eva02_tiny_patch14_224', **TINY_TIMM), 'timm', IMAGE)


@row('CaiT', 'timm')
def timm_cait() -> Case:
    return case(timm_network('cait_xxs24_224', init_values=0.5, **TINY_TIMM), 'timm', IMAGE, layers='network.blocks')


@row('Swin', 'timm')
def timm_swin() -> Case:
    network = timm_network('swin_tiny_patch4_window7_224', img_size=64, window_size=2, embed_dim=16,
                           depths=(2, 2, 6, 2), num_heads=(1, 2, 2, 4))
    return case(network, 'timm', dict(x=(3, 64, 64)), layers='network.layers.2.blocks', num_stages=2)


def hf_network(model: str, config: str, **settings: Any) -> dict:
    """Config of a model of transformers."""
    return dict(type=f'{HERE}.from_transformers', model=model, config=config, **settings)


@row('ViT', 'transformers')
def hf_vit() -> Case:
    return case(hf_network('ViTModel', 'ViTConfig', **TINY_PATCHES, **TINY_HF), 'transformers', PIXELS)


@row('DINOv2', 'transformers')
def hf_dinov2() -> Case:
    return case(hf_network('Dinov2Model', 'Dinov2Config', **TINY_PATCHES, **TINY_HF), 'transformers', PIXELS)


@row('Swin', 'transformers')
def hf_swin() -> Case:
    network = hf_network('SwinModel', 'SwinConfig', image_size=64, window_size=2, embed_dim=16, depths=[2, 2, 6, 2],
                         num_heads=[1, 2, 2, 4])
    return case(network, 'transformers', dict(pixel_values=(3, 64, 64)), layers='network.encoder.layers.2.blocks',
                num_stages=2)


@row('BERT', 'transformers')
def bert() -> Case:
    return case(hf_network('BertModel', 'BertConfig', vocab_size=64, **TINY_HF), 'transformers', words='input_ids')


@row('GPT-2', 'transformers')
def gpt2() -> Case:
    return case(
        hf_network('GPT2Model', 'GPT2Config', vocab_size=64, n_embd=32, n_layer=6, n_head=2, resid_pdrop=0.0,
                   embd_pdrop=0.0, attn_pdrop=0.0), 'transformers', words='input_ids', layers='network.h')


@row('Llama', 'transformers')
def llama() -> Case:
    return case(
        hf_network('LlamaModel', 'LlamaConfig', vocab_size=64, num_key_value_heads=2, **TINY_HF), 'transformers',
        words='input_ids')


@row('CLIP, both towers', 'transformers')
def clip() -> Case:
    network = hf_network('CLIPModel', 'CLIPConfig', projection_dim=16, text_config=dict(vocab_size=64, **TINY_HF),
                         vision_config=dict(TINY_PATCHES, **TINY_HF))
    return case(network, 'transformers', PIXELS, words='input_ids',
                layers=['network.vision_model.encoder.layers', 'network.text_model.encoder.layers'])
