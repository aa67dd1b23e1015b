"""Trains or compresses what a config describes: the script behind `mim train ct_mm`.

For example:

    python -m ct_mm.train configs/quickstart/bunny_tiny_4layers.py
    python -m ct_mm.train my_tracker_4layers.py --resume
"""
from ct_mm import cli
from ct_mm.train import main

if __name__ == '__main__':
    cli.run(main)
