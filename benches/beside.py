"""What the side-by-side scripts share: a measured run, the form of a cell, and where a table is kept in benches/README.md."""
import os, platform, statistics, subprocess, sys, tempfile, time

REPO = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(command, may_fail=False, **options):
    """Seconds by the clock and of CPU of a shell's or a program's run."""
    shell = {"shell": True, "executable": "/bin/bash"} if isinstance(command, str) else {}
    with tempfile.TemporaryFile() as out:
        begin = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **shell, **options)
        _, status, usage = os.wait4(child.pid, 0)
        clock = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0 and not may_fail:
            out.seek(0)
            sys.exit(f"{command}: exit status {child.returncode}\n{out.read().decode(errors='replace')}")
    return clock, usage.ru_utime + usage.ru_stime


def drop(*files):
    """Has the cache forget their pages."""
    for path in files:
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def spread(values):
    return f"{min(values):.2f} **{statistics.median(values):.2f}** {max(values):.2f}"


def machine():
    return f"{os.cpu_count()} processors, Linux {platform.release().split('-')[0]}; load before: {os.getloadavg()[0]:.1f}"


def write(name, lines):
    """Puts a table in the place of the one of that name."""
    path = f"{REPO}/benches/README.md"
    text = open(path, encoding="utf-8").read()
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    with open(path, "w", encoding="utf-8") as file:
        file.write(before + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1])
