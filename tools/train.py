"""What `mim train ct_mm` runs; the same as `python -m ct_mm.train`."""
from ct_mm import cli
from ct_mm.train import main

if __name__ == '__main__':
    cli.run(main)
