"""What `mim run ct_mm track_video` runs; the same as `python -m ct_mm.track`."""
from ct_mm import cli
from ct_mm.track import main

if __name__ == '__main__':
    cli.run(main)
