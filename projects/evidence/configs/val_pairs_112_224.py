# Pairs to validate on: photographs that no training saw.
_base_ = ['./pairs_112_224.py']
_base_.train_dataloader.dataset.sources[0].images.splits = [f'val_{digit}' for digit in range(2, 10)]
