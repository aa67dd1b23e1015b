"""What `mim test ct_mm` runs; the same as `python -m ct_mm.test`."""
from ct_mm import cli
from ct_mm.test import main

if __name__ == '__main__':
    cli.run(main)
