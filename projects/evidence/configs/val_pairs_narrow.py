# Validation pairs for the narrow trackers.
_base_ = ['./pairs_narrow.py']
_base_.train_dataloader.dataset.sources[0].images.splits = [f'val_{digit}' for digit in range(2, 10)]
