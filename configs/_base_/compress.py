# Inherit this together with a tracker's config and name its checkpoint: compress = dict(teacher='...').
compress = dict(num_stages=4)
runner_type = 'ct_mm.CompressRunner'
