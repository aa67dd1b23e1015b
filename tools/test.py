"""Tests a tracker, a student or a compression: the script behind `mim test ct_mm`.

For example:

    python -m ct_mm.test my_tracker.py my_tracker.pth
    python -m ct_mm.test my_tracker.py my_tracker.pth --benchmark uav123 --data-root /data/UAV123
"""
from ct_mm import cli
from ct_mm.test import main

if __name__ == '__main__':
    cli.run(main)
