# The training data of OSTrack and CompressTracker: LaSOT, GOT-10k (the 7,086 videos that VOT allows and that are not in
# the validation split), COCO and TrackingNet at equal shares, each in its official folders. PyTracking uses parts 0 to
# 3 of TrackingNet, the released loader of OSTrack all 12 (omit `parts`). Tests on GOT-10k's validation set.
_base_ = ['./got10k_pairs.py']
train_dataloader = dict(
    dataset=dict(
        ratios=[1, 1, 1, 1],
        sources=[
            dict(type='ct_mm.SequencePairs', max_gap=200, min_frames=20, min_visible=5, dataset=dataset)
            for dataset in (
                dict(type='ct_mm.LaSOTDataset', data_root='data/lasot', split='train', test_mode=False),
                dict(type='ct_mm.GOT10kDataset', data_root='data/got10k', split='train_vot', test_mode=False),
                dict(type='ct_mm.SOTCocoDataset', data_root='data/coco', split='train2017', test_mode=False),
                dict(type='ct_mm.TrackingNetDataset', data_root='data/trackingnet', split='train', parts=[0, 1, 2, 3],
                     test_mode=False),
            )
        ]))
