# As lorat_pairs.py, with the crops of the 378-pixel models.
_base_ = ['./lorat_pairs.py']
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(step, template_size=196, search_size=378, search_factor=5.0)
            if step.type == 'ct_mm.ContextCropPair' else step for step in _base_.train_dataloader.dataset.pipeline
        ]))
