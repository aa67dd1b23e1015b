# Compresses the tracker that own_data.py has fine-tuned: docs/train_on_your_data.md. A few clips show too little for
# a student, so half of the pairs are the quick start's composites of photographs.
_base_ = ['./own_data.py', '../_base_/compress_short.py']
load_from = None
compress = dict(teacher='work_dirs/own_data/epoch_5.pth', num_stages=4)
train_dataloader = dict(
    dataset=dict(
        sources=[
            *_base_.train_dataloader.dataset.sources,
            dict(type='ct_mm.CompositePairs', images=dict(type='ct_mm.SkimageSegments')),
        ]))
