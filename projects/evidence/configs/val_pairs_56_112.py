# Validation pairs at half the size.
_base_ = ['./val_pairs_112_224.py']
_base_.train_dataloader.dataset.pipeline[-1].update(template_size=56, search_size=112)
