# As sutrack_pairs.py, with one template.
_base_ = ['./sutrack_pairs.py']
train_dataloader = dict(
    dataset=dict(
        sources=[dict(source, num_templates=1, min_visible=5) for source in _base_.train_dataloader.dataset.sources]))
