# The recipe of LoRAT: 170 epochs, two of them warm-up, then a cosine. Its authors train in float16: set
# optim_wrapper.type='AmpOptimWrapper', dtype='float16', loss_scale='dynamic' on a GPU.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=170, val_interval=20)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=0.1),
    paramwise_cfg=dict(  # no decay of vectors, nor of the last layer of the scores, which has one row
        flat_decay_mult=0.0, norm_decay_mult=0.0, bias_decay_mult=0.0,
        custom_keys={'token_type_embed': dict(decay_mult=0.0), 'head.cls_mlp.layers.2': dict(decay_mult=0.0)}),
    clip_grad=dict(max_norm=1.0))
param_scheduler = [
    dict(type='ct_mm.WarmupCosineLR', warmup=2, length=170, start_factor=1e-3, eta_min=1e-6, by_epoch=True,
         convert_to_iter_based=True)
]
auto_scale_lr = dict(base_batch_size=128, enable=False)  # 8 GPUs with 16 pairs each
