# For the narrow trackers: half the size and a closer view.
_base_ = ['./pairs_112_224.py']
_base_.train_dataloader.dataset.pipeline[-1].update(
    template_size=56, template_factor=1.5, search_size=112, search_factor=3.0, center_jitter=2.0,
    scale_jitter=0.25)
_base_.train_dataloader.dataset.pipeline[-2].update(prob=0.6, max_factor=12.0, min_side=3.0, whole_pixels=False)
