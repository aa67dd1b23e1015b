"""Feeds the readers of foreign files with mutated ones: checkpoints, cards, annotations, results.

At least every second file is mutated inside a container that is whole (checksums mended, the JSON of a card still
JSON, a table still numbers). A batch runs in a process of its own with little memory. A file may be read or refused
with a ``ValueError`` or ``FileNotFoundError`` that names it; whatever else happens is a failure: another error, the
end of the process, too much memory or time, or a file on the disk that a pickle asked for.
"""
from __future__ import annotations

import argparse
import copy
import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

KINDS = ('checkpoint', 'card', 'annotation', 'result')
_BATCH, _SECONDS, _MEMORY = 2500, 600, 1 << 30


class Canary:
    """Would make a file if it were unpickled as it asks for."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.path, )


def mutate(data: bytes, chance: random.Random, words: list[bytes]) -> bytes:
    """Flips, removes, repeats, moves or replaces a few stretches of bytes."""
    data = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        start = chance.randrange(len(data) + 1)
        length = min(chance.choice((1, 1, 2, 4, 8, 64)), len(data) - start)
        stretch = slice(start, start + length)
        choice = chance.randrange(6)
        if choice == 0 and length:
            data[start] ^= 1 << chance.randrange(8)
        elif choice == 1:
            data[stretch] = chance.randbytes(length)
        elif choice == 2:
            del data[stretch]
        elif choice == 3:
            data[start:start] = data[stretch] * chance.choice((1, 2, 100))
        elif choice == 4:
            data[start:start] = chance.choice(words)
        elif length:
            data[stretch] = chance.choice((b'\0', b'\xff', b'\x7f', b'\x80', b'9')) * length
    return bytes(data)


def checkpoints(folder: Path, chance: random.Random) -> Callable[[int], tuple[Callable, Path]]:
    """Files of training: a pickle, changed in a whole archive or with it."""
    import numpy as np
    import torch
    from mmengine.logging import HistoryBuffer

    from ct_mm.engine.checkpoints.reading import read_checkpoint, read_state_dict
    from ct_mm.engine.checkpoints.tensors_only import load_tensors_only
    content = dict(
        state_dict=torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.BatchNorm1d(6)).state_dict(),
        optimizer=dict(state={0: dict(step=torch.tensor(3.0), exp_avg=torch.randn(6, 4))},
                       param_groups=[dict(lr=0.1, betas=(0.9, 0.999), params=[0, 1])]),
        message_hub=dict(log_scalars=dict(loss=HistoryBuffer([1.0, 2.0], [1, 1])), runtime_info=dict(iter=np.int64(3))),
        meta=dict(epoch=1, iter=4, seed=3, time='now'))
    files = []
    for more, zipped in ((), True), ((Canary(str(folder / 'it-ran')), ), True), ((), False):
        buffer = io.BytesIO()
        torch.save(dict(content, more=more), buffer, _use_new_zipfile_serialization=zipped)
        files.append(buffer.getvalue())
    words = [b'\x85R', b'b', b'\x81', b'h\0h\0\x86', b'h\1', b'a', b's', b'e', b'u', b'(', b')', b'}', b']', b'Q', b'0',
             b'cbuiltins\neval\n', b'cnumpy\nndarray\n', b'cnumpy\ndtype\n', b'ctorch\nFloatTensor\n',
             b'cbuiltins\nbytearray\n', b'c_codecs\nencode\n', b'J\xff\xff\xff\x7f', b'J\xff\xff\xff\xff',
             b'X\1\0\0\0O', b'X\2\0\0\0f8', b'\x8a\x08' + b'\xff' * 7 + b'\x7f']
    readers = [read_state_dict, read_checkpoint, load_tensors_only, lambda path: read_checkpoint(path, mapped=True)]

    def make(number: int) -> tuple[Callable, Path]:
        path, whole = folder / f'{number}.pth', chance.choice(files[:2])
        if chance.random() < 0.4:
            path.write_bytes(mutate(chance.choice(files), chance, words))
        else:
            with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(
                    path, 'w', chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as new:
                for name in old.namelist():
                    changed = name.endswith('data.pkl') or chance.random() < 0.1
                    new.writestr(name, mutate(old.read(name), chance, words) if changed else old.read(name))
        return chance.choice(readers), path

    return make


def cards(folder: Path, chance: random.Random) -> Callable[[int], tuple[Callable, Path]]:
    """What an exported tracker says of itself, in both versions: text that is JSON, and text that no longer is."""
    from ct_mm.tracking.runtime.geometries import SquareCrops
    from ct_mm.tracking.runtime.memories import FixedTemplate, SampledMemory, UpdatedTemplate
    from ct_mm.tracking.runtime.model_card import ModelCard, NetworkInput
    colours = dict(mean=(123.7, 116.3, 103.5), std=(58.4, 57.1, 57.4), layers=4)
    plain, masked = SquareCrops(128, 256), SquareCrops(128, 256, 1.5, 5.0, 2.0, 16)
    more = (NetworkInput('token', 'carried', (1, 48)), NetworkInput('keys', 'prepared', (2, None, 4)))
    made = [ModelCard.of('OSTrack', plain, FixedTemplate(), **colours),
            ModelCard.of('SUTrack', masked, UpdatedTemplate(2), ('box', 'score', 'response'), **colours),
            ModelCard.of('ODTrack', masked, SampledMemory(3), ('box', 'score', 'token', 'keys'), more, **colours)]
    first = dict(version=1, tracker='OSTrack', template_size=128, search_size=256, template_factor=2.0,
                 search_factor=4.0, margin=10.0, precision='fp32', **colours)
    texts = [card.to_json() for card in made] + [json.dumps(first)]
    odd = [None, True, -1, 0, 10**9, 10**400, 1e308, float('inf'), float('nan'), '128', '', 'x' * 10**5, [], [[]], {},
           [1, 2], [1, 2, 3], {'a': [{}]}, '\0', 1.5, 'score', 'search', 'templates', [None, 2], ['box'], 2**40]
    words = [b'[' * 2000, b'{"a":' * 500, b'NaN', b'-', b'1e999', b'"', b'9' * 5000, b'\\ud800', b'\xff', b'null',
             b'"prepared"', b'"sampled"', b'"type"']

    def read(path: Path) -> ModelCard:
        card = ModelCard.from_json(path.read_bytes().decode('utf-8', 'surrogateescape'), str(path))
        assert 0 < card.geometry.template_size <= 2048 and 0 < card.geometry.search_size <= 2048
        assert card.geometry.search_factor < 1e4 and (card.memory.slots or 1) <= 64
        assert all(0 < (side or 1) <= 2**28 for each in card.inputs for side in each.shape)
        assert {'box', 'score'} <= set(card.outputs) and ModelCard.from_json(card.to_json(), 'again') == card
        return card

    def change(values: dict | list) -> None:
        """Replaces, removes or adds one value at any depth."""
        key = chance.choice([*(values if isinstance(values, dict) else range(len(values)))] or ['other'])
        inner = values[key] if isinstance(values, list) or key in values else None
        if inner and isinstance(inner, (dict, list)) and chance.random() < 0.7:
            change(inner)
        elif isinstance(values, list):
            new = copy.deepcopy(chance.choice(odd))
            values[key:key + 1] = chance.choice(([], [inner, copy.deepcopy(inner)], [new]))
        elif chance.random() < 0.2:
            values.pop(key, None)
        else:
            values[chance.choice([key, key, key, 'other'])] = copy.deepcopy(chance.choice(odd))

    def make(number: int) -> tuple[Callable, Path]:
        path, text = folder / f'{number}.json', chance.choice(texts)
        if chance.random() < 0.4:
            path.write_bytes(mutate(text.encode(), chance, words))
        else:
            values = json.loads(text)
            for _ in range(chance.choice((1, 1, 2))):
                change(values)
            path.write_text(json.dumps(values))
        return read, path

    return make


def annotations(folder: Path, chance: random.Random, results: bool = False) -> Callable[[int], tuple[Callable, Path]]:
    """Tables of boxes, of a benchmark or of a tracker: with other numbers, and as other bytes."""
    from ct_mm.tracking.datasets.reading.annotation_io import read_numbers, read_series
    from ct_mm.tracking.evaluation import ResultFolder
    odd = ['nan', 'inf', '-inf', '1e999', '-1', '0', '', '1_0', '0x10', '9' * 400, 'x', '\u0661', '1e-400', '1 2']
    words = [b'nan', b',', b'\n', b'\r\n', b'\t', b'\0', b'\xff\xfe', b'\xef\xbb\xbf', b'9' * 5000, b'1e999', b'#']

    def make(number: int) -> tuple[Callable, Path]:
        rows = [[f'{chance.uniform(0, 300):.4f}' for _ in range(4)] for _ in range(chance.choice((1, 5, 40)))]
        separator = chance.choice((',', '\t', ' '))
        whole = chance.random() < 0.6
        for _ in range(chance.choice((1, 3)) if whole else 0):
            chance.choice(rows)[chance.randrange(4)] = chance.choice(odd)
        data = ''.join(separator.join(row) + '\n' for row in rows).encode()
        path = folder / f'{number}.txt'
        path.write_bytes(data if whole else mutate(data, chance, words))
        if results:
            return lambda file: ResultFolder(folder).read(file.stem, len(rows)), path
        return chance.choice((read_series, lambda file: read_numbers(file, 4))), path

    return make


def batch(kind: str, seed: int, count: int) -> None:
    """Makes and reads files, with little memory and time; prints what came of them as JSON."""
    makers = dict(checkpoint=checkpoints, card=cards, annotation=annotations,
                  result=lambda folder, chance: annotations(folder, chance, True))
    outcomes: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        chance = random.Random(seed)
        make = makers[kind](Path(folder), chance)
        used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, ) * 2)
        for number in range(count):
            reader, path = make(number)
            try:
                reader(path)
                outcomes['read'] += 1
            except (ValueError, FileNotFoundError) as error:
                if type(error) not in (ValueError, FileNotFoundError) or str(path) not in str(error):
                    raise AssertionError(f'{kind} {number} of seed {seed}: the error names no file') from error
                outcomes['refused'] += 1
            except Exception as error:
                raise AssertionError(f'{kind} {number} of seed {seed} raised {type(error).__name__}') from error
            if (Path(folder) / 'it-ran').exists():
                raise AssertionError(f'{kind} {number} of seed {seed} ran something')
            path.unlink()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(dict(outcomes, peak=peak)))


def main(arguments: list[str] | None = None) -> int:
    """Runs the script; returns 1 if a reader failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--count', type=int, default=10_000, help='files of each kind (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of the first batch (default: %(default)s)')
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=KINDS, help='default: all')
    parser.add_argument('--batch', nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.batch:
        batch(args.batch[0], int(args.batch[1]), int(args.batch[2]))
        return 0
    failed = 0
    for kind in args.kinds:
        total, peak, start = Counter(), 0, time.monotonic()
        for number, first in enumerate(range(0, args.count, _BATCH)):
            command = [sys.executable, __file__, '--batch', kind, str(args.seed + number),
                       str(min(_BATCH, args.count - first))]
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
                code, error = done.returncode, done.stderr
            except subprocess.TimeoutExpired:
                code, error = 'timeout', ''
            if code:
                failed += 1
                print(f'FAILED ({code}): {" ".join(command[2:])}\n{error[-2000:]}')
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            peak = max(peak, found.pop('peak'))
            total.update(found)
        print(f'{kind:10s} {total.total()} files: {total["read"]} read, {total["refused"]} refused; '
              f'peak {peak} MB, {time.monotonic() - start:.0f} s', flush=True)
    return int(failed > 0)


if __name__ == '__main__':
    sys.exit(main())
