"""Describes and controls the machine for speed measurements, without heavy imports."""
from __future__ import annotations

import os
import platform
import re
from pathlib import Path

#: Flags of /proc/cpuinfo that determine the speed of int8 and bfloat16, and their usual names.
_INSTRUCTIONS = dict(avx2='AVX2', avx512f='AVX512', avx512_vnni='AVX512-VNNI', avx_vnni='AVX-VNNI',
                     avx512_bf16='AVX512-BF16', amx_int8='AMX-INT8', amx_bf16='AMX-BF16', i8mm='I8MM', bf16='BF16')


def describe_cpu() -> str:
    """Describes the CPU: model, number of usable CPUs, and the instructions that int8 and bfloat16 use."""
    name, flags = platform.processor() or platform.machine(), []
    if os.path.exists('/proc/cpuinfo'):
        text = Path('/proc/cpuinfo').read_text()
        found = re.search(r'^model name\s*:\s*(.+)$', text, re.MULTILINE)
        name = found[1].strip() if found else name
        listed = re.search(r'^(?:flags|Features)\s*:\s*(.+)$', text, re.MULTILINE)
        flags = [word for flag, word in _INSTRUCTIONS.items() if listed and flag in listed[1].split()]
    return f'{name}, {len(usable_cpus())} CPUs{", " if flags else ""}{", ".join(flags)}'


def usable_cpus() -> list[int]:
    """Returns the CPUs that this process may use, the first thread of every core before the second ones."""
    if not hasattr(os, 'sched_getaffinity'):
        return list(range(os.cpu_count() or 1))
    taken: dict[str, int] = {}
    places = []
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = Path(f'/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list')
        core = siblings.read_text().strip() if siblings.is_file() else str(cpu)
        taken[core] = taken.get(core, -1) + 1
        places.append((taken[core], cpu))
    return [cpu for _, cpu in sorted(places)]


def pin_process(threads: int) -> list[int] | None:
    """Pins this process to as many CPUs as it has threads.

    Args:
        threads: Number of threads.

    Returns:
        The CPUs, or None if the operating system cannot pin processes (macOS).

    Raises:
        ValueError: There are fewer CPUs than threads.
    """
    cpus = usable_cpus()
    if threads > len(cpus):
        raise ValueError(f'{threads} threads need as many CPUs, but this process may use only {len(cpus)}')
    if not hasattr(os, 'sched_setaffinity'):
        return None
    os.sched_setaffinity(0, cpus[:threads])
    return cpus[:threads]


def take_priority() -> None:
    """Gives this process real-time priority over ordinary processes (Linux).

    Raising the priority with ``nice`` is not enough: a thread that sleeps between two layers still waits until
    another process has used up its time slice, which penalises runtimes whose threads sleep over those that spin.
    Linux still reserves a twentieth of each second for other processes, which shows in the slowest frames.

    Raises:
        ValueError: The operating system does not support it, or this user lacks the permission.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except (AttributeError, PermissionError) as error:
        raise ValueError(f'real-time priority is not available here ({error}); it needs Linux and root or '
                         'CAP_SYS_NICE') from error


def may_take_priority() -> bool:
    """Returns whether :func:`take_priority` would succeed, without changing the priority."""
    if not hasattr(os, 'sched_setscheduler'):
        return False
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        take_priority()
    except ValueError:
        return False
    os.sched_setscheduler(0, *before)
    return True


def peak_memory() -> int | None:
    """Returns the peak memory of this process in bytes, or None if the operating system does not report it."""
    status = Path('/proc/self/status')
    if status.is_file():  # not ru_maxrss, which on Linux includes the parent process
        found = re.search(r'^VmHWM:\s*(\d+) kB$', status.read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else None
    if platform.system() == 'Darwin':
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


def busy_seconds() -> float | None:
    """Returns the busy seconds of all CPUs since the machine started, or None if the system does not report them."""
    if not os.path.exists('/proc/stat'):
        return None
    total = Path('/proc/stat').read_text().partition('\n')[0]
    user, nice, system, _, _, irq, softirq, steal, *_ = map(int, total.split()[1:])
    return (user + nice + system + irq + softirq + steal) / os.sysconf('SC_CLK_TCK')
