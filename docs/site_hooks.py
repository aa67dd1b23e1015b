"""Fits the pages, which are written to be read in the repository, to the site, and adds the reference pages."""
from __future__ import annotations

import re
from pathlib import Path

from mkdocs.structure.files import File

#: Rooms of the package, each with a reference page.
ROOMS = dict(compression='Compression', tracking='Tracking', engine='Engine', deployment='Deployment')
_LINK = re.compile(r'\[([^\]\[]+)\]\((\.\./[^)]+)\)')


def on_page_markdown(markdown: str, page, config, files) -> str:
    """Turns links to files outside of docs/, which the site does not have, into their paths."""
    if page.file.abs_src_path is None:
        return markdown  # written by on_files
    folder = Path(page.file.abs_src_path).parent
    root = Path(config['docs_dir']).parent

    def name(match: re.Match) -> str:
        text, target = match.groups()
        path = (folder / target.partition('#')[0]).resolve()
        if not path.exists():
            return match[0]  # reported as a broken link
        path = path.relative_to(root).as_posix()
        return f'`{path}`' if text.strip('`') in path else f'{text} (`{path}`)'

    return _LINK.sub(name, markdown)


def on_files(files, config):
    """Adds a reference page for each room: the public names of its modules, from their docstrings."""
    package = Path(config['docs_dir']).parent / 'ct_mm'
    for room, title in ROOMS.items():
        lines = [f'# {title}\n']
        for file in sorted((package / room).rglob('*.py')):
            module = '.'.join(file.relative_to(package.parent).with_suffix('').parts)
            source = file.read_text(encoding='utf-8')
            if file.name != '__init__.py' and re.search(r'^(class|def) [A-Za-z]', source, flags=re.MULTILINE):
                lines.append(f'::: {module}\n    options:\n      heading_level: 2\n')
        files.append(File.generated(config, f'reference/{room}.md', content='\n'.join(lines)))
    return files
