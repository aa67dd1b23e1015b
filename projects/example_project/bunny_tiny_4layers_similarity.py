_base_ = ['ct_mm::quickstart/bunny_tiny_4layers.py']
custom_imports = dict(imports=['projects.example_project.token_similarity_loss'])
compress = dict(losses=dict(similarity=dict(type='TokenSimilarityLoss', loss_weight=1.0)))
