"""One command for all scripts: ``python -m ct_mm NAME ...``; without a name it lists them."""
from __future__ import annotations

import ast
import difflib
import re
import runpy
import sys
from pathlib import Path

from .package_files import package_file

_SHORT = dict(track_video='track')


def scripts() -> dict[str, Path]:
    """Returns the scripts in ``tools/`` by the name of their command."""
    files = sorted(package_file('tools').rglob('*.py'), key=lambda file: (len(file.parts), file.name))
    return {_SHORT.get(file.stem, file.stem): file for file in files}


def describe(file: Path) -> tuple[str, list[str]]:
    """Returns what a script does, in one sentence, and its examples."""
    text = ast.get_docstring(ast.parse(file.read_text(encoding='utf-8'))) or ''
    command = f'python -m ct_mm {_SHORT.get(file.stem, file.stem)} '
    examples = [re.sub(r'python (tools/\S+\.py|-m ct_mm\.\w+) ', command, line)
                for line in re.findall(r'^    (.*)$', text, flags=re.MULTILINE)]
    return text.split('\n\n')[0].replace('\n', ' '), examples


def main() -> None:
    """Runs the script that the first argument names.

    Raises:
        SystemExit: With the script's status; 2 if there is no script of this name.
    """
    files = scripts()
    name, args = (sys.argv[1:2] or ['--help'])[0], sys.argv[2:]
    if name in ('-h', '--help'):
        print('usage: python -m ct_mm COMMAND [-h] ...\n\ncommands:')
        width = max(map(len, files)) + 2
        for command, file in files.items():
            print(f'  {command:{width}}{describe(file)[0]}')
        return
    if name not in files:
        near = difflib.get_close_matches(name, files, n=1)
        sys.exit(f'error: no command {name!r}' + (f'; did you mean {near[0]!r}?' if near else '') +
                 ' (python -m ct_mm lists all)')
    sys.argv[:] = [f'python -m ct_mm {name}', *args]
    try:
        runpy.run_path(str(files[name]), run_name='__main__')
    finally:
        if {'-h', '--help'} & set(args):
            print('\n'.join(['\nexamples:', *(f'  {line}' for line in describe(files[name])[1])]))


if __name__ == '__main__':
    main()
