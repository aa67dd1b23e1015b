"""Compares the plain and the compressed training of real configs that ship with mmpretrain, mmdet and mmseg."""
