"""Turns annotations of several objects into one sequence for each object, which ``ct_mm.SequenceFolder`` reads.

MOT folders (``NAME/gt/gt.txt`` with frames in ``NAME/img1``; CVAT writes them as "MOT 1.1") and COCO files of videos
(``videos``, ``images`` with ``video_id`` and ``frame_id``, ``annotations`` with ``track_id`` or ``instance_id``) are
read. Frames are linked, not copied. For example:

    python tools/dataset_converters/mot_to_sequences.py MOT17/train data/own/train
    python tools/dataset_converters/mot_to_sequences.py annotations.json data/own/train --images frames
"""
import argparse
import json
import os
import re
import sys
from pathlib import Path
from typing import Optional, Sequence

from ct_mm import cli


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', help='folder of MOT sequences, or a .json file in COCO format')
    parser.add_argument('out', help='output folder; existing sequences are kept')
    parser.add_argument('--images', help='folder of the frames that a .json file names (default: its own folder)')
    parser.add_argument('--min-frames', type=int, default=10, help='leave out shorter tracks (default: %(default)s)')
    cli.add_debug(parser)
    return parser


def read_mot(source: Path) -> dict:
    """Reads MOT folders.

    Returns:
        For each track its frames in order and its boxes by frame: ``{name: ([file, ...], {index: [x, y, w, h]})}``.

    Raises:
        FileNotFoundError: If there is no ``gt/gt.txt``.
        ValueError: If a line is no row of MOT; names file and line.
    """
    from ct_mm.tracking.datasets.reading import FrameFiles
    files = [source / 'gt' / 'gt.txt'] if (source / 'gt').is_dir() else sorted(source.glob('*/gt/gt.txt'))
    folders = [file.parents[1] for file in files]
    if not folders:
        raise FileNotFoundError(f'{source} holds no gt/gt.txt, neither itself nor in its folders')
    tracks: dict = {}
    for folder in folders:
        images = next((folder / name for name in ('img1', 'images') if (folder / name).is_dir()), None)
        if images is None:
            raise FileNotFoundError(f'{folder} has no folder img1 with the frames')
        listed = FrameFiles.in_folder(images)
        files = [listed[index] for index in range(len(listed))]
        for number, line in enumerate((folder / 'gt' / 'gt.txt').read_text(encoding='utf-8-sig').splitlines(), 1):
            if not line.strip():
                continue
            where = f'{folder / "gt" / "gt.txt"}:{number}'
            try:
                frame, track, *box = (float(field) for field in line.split(',')[:6])
                used = float((line.split(',') + ['1'] * 7)[6])
            except ValueError as error:
                raise ValueError(f'{where}: {line!r} is not a row of frame,id,x,y,w,h,...') from error
            if len(box) != 4 or frame != int(frame) or not 1 <= frame <= len(files):
                raise ValueError(f'{where}: {line!r} needs a frame from 1 to {len(files)} and four numbers of a box')
            if used:  # 0 marks what an evaluation ignores
                tracks.setdefault(f'{folder.name}_{track:g}', (files, {}))[1][int(frame) - 1] = box
    return tracks


def read_coco(source: Path, images: Path) -> dict:
    """Reads a COCO file of videos; returns what :func:`read_mot` does.

    Raises:
        ValueError: If the file is no COCO file of videos, or an entry lacks a field.
    """
    try:
        content = json.loads(source.read_text(encoding='utf-8'))
        videos: dict = {video['id']: (str(video['name']), []) for video in content['videos']}
        for image in sorted(content['images'], key=lambda image: (str(image['video_id']), image['frame_id'])):
            videos[image['video_id']][1].append(image)
        place = {image['id']: (name, index, frames) for name, frames in videos.values()
                 for index, image in enumerate(frames)}
        tracks: dict = {}
        for entry in content['annotations']:
            name, index, frames = place[entry['image_id']]
            track = entry['track_id'] if 'track_id' in entry else entry['instance_id']
            x, y, w, h = (float(value) for value in entry['bbox'])
            files = [str(images / image['file_name']) for image in frames]
            tracks.setdefault(f'{Path(name).name}_{track}', (files, {}))[1][index] = [x, y, w, h]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f'{source} is not a COCO file of videos ({type(error).__name__}: {error}): it needs videos, '
                         'images with video_id and frame_id, annotations with image_id, bbox and track_id') from error
    return tracks


def write_sequence(folder: Path, files: list, boxes: dict) -> None:
    """Writes one track from its first box to its last; frames between them without a box are flagged absent."""
    from ct_mm.engine.whole_file import write_text
    first, last = min(boxes), max(boxes)
    unfinished = folder.with_name(f'.{folder.name}.unfinished')
    unfinished.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(files[first:last + 1], 1):
        link = unfinished / f'{number:08d}{Path(file).suffix.lower()}'
        link.unlink(missing_ok=True)
        os.symlink(Path(file).resolve(strict=True), link)
    frames = range(first, last + 1)
    rows = [','.join(f'{value:g}' for value in boxes.get(frame, (0, 0, 0, 0))) for frame in frames]
    write_text(unfinished / 'groundtruth.txt', '\n'.join(rows) + '\n')
    write_text(unfinished / 'absence.label', '\n'.join(str(int(frame not in boxes)) for frame in frames) + '\n')
    os.rename(unfinished, folder)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the script.

    Args:
        argv: The arguments; those of the process by default.
    """
    args = build_parser().parse_args(argv)
    source, out = Path(args.source), Path(args.out)
    try:
        if not source.exists():
            raise FileNotFoundError(f'{source} does not exist')
        tracks = read_coco(source, Path(args.images or source.parent)) if source.is_file() else read_mot(source)
        long = {name: track for name, track in tracks.items() if len(track[1]) >= args.min_frames}
        if not long:
            raise ValueError(f'{source} has {len(tracks)} tracks, none of them with {args.min_frames} boxes '
                             '(see --min-frames)')
        for name, (files, boxes) in long.items():
            folder = out / re.sub(r'[^\w.-]', '_', name)  # a name from a file must not lead elsewhere
            if not folder.exists():
                write_sequence(folder, files, boxes)
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    print(f'{len(long)} sequences are in {out}; {len(tracks) - len(long)} shorter tracks were left out')


if __name__ == '__main__':
    cli.run(main)
