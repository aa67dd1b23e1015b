# Rival: the first four layers of the teacher, trained on the ground truth alone.
_base_ = ['./ground_truth.py']
compress = dict(num_stages=None, stage_sizes=[1, 1, 1, 9], copy='first')
