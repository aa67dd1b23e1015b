# As mixformerv2_pairs.py, with the crops of MixFormerV2-S.
_base_ = ['./mixformerv2_pairs.py']
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(step, template_size=112, search_size=224, search_factor=4.5)
            if step.type == 'ct_mm.CropPair' else step for step in _base_.train_dataloader.dataset.pipeline
        ]))
