# Validation pairs: photographs that were not used in training.
_base_ = ['./pairs_112_224.py']
_base_.train_dataloader.dataset.sources[0].images.splits = [f'val_{digit}' for digit in range(2, 10)]
