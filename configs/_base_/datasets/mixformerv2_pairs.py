# The training data of MixFormerV2: the mix of sot_pairs.py with two templates, the second from before the first.
_base_ = ['./sot_pairs.py']
train_dataloader = dict(
    dataset=dict(
        sources=[
            dict(source, num_templates=2, min_visible=7) for source in _base_.train_dataloader.dataset.sources
        ],
        pipeline=[
            dict(step, search_size=288, search_factor=5.0, center_jitter=4.5, scale_jitter=0.5)
            if step.type == 'ct_mm.CropPair' else step for step in _base_.train_dataloader.dataset.pipeline
        ]))
