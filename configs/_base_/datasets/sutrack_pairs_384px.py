# As sutrack_pairs.py, with the crops of the 384-pixel model.
_base_ = ['./sutrack_pairs.py']
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(step, template_size=192, search_size=384) if step.type == 'ct_mm.CropPair' else step
            for step in _base_.train_dataloader.dataset.pipeline
        ]))
