"""Child processes that outlive this one: start, find again, stop.

Each part runs in a session of its own (Ctrl-C does not reach it), under a small sh that notes its exit
status. var/run/PART.pid holds "PID STARTTIME": a pid that was given to another process since is not ours. PART.asked is
there when its end was asked for: nobody starts it again."""

import errno
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from place import LOG, RUN, Trouble

# $1: where the exit status goes, $2: the log. The pid is told on stdout before anything can happen to the program.
_KEEPER = 'out=$1 log=$2; shift 2; "$@" >>"$log" 2>&1 & pid=$!; echo $pid; exec >/dev/null; wait $pid; echo $? >"$out"'


def _stat(pid):
    """Fields of /proc/PID/stat after the name, or None."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def start_time(pid):
    """In ticks since boot; None when it is gone. A zombie is gone: where we are pid 1, nobody else reaps it."""
    stat = _stat(pid)
    return None if stat is None or stat[0] in "ZX" else stat[19]


def started_at(pid):
    """Seconds since 1970."""
    stat = _stat(pid)
    if stat is None:
        return None
    boot = next(int(line.split()[1]) for line in open("/proc/stat") if line.startswith("btime"))
    return boot + int(stat[19]) / os.sysconf("SC_CLK_TCK")


def find(name):
    """The part's pid, or None. A pid file whose process is gone, or another one now, counts for nothing."""
    try:
        pid, since = (RUN / f"{name}.pid").read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if start_time(pid) == since else None


def exit_status(name):
    """As the shell has it (143: SIGTERM); None when unknown or running."""
    try:
        return int((RUN / f"{name}.exit").read_text())
    except (OSError, ValueError):
        return None


def last_status(name):
    """exit_status of one that has just ended: its keeper writes it a moment later."""
    for _ in range(200):
        if exit_status(name) is not None:
            break
        time.sleep(0.01)
    return exit_status(name)


def was_asked(name):
    """To end, since it was started."""
    return (RUN / f"{name}.asked").exists()


def program_changed(pid):
    """The running program is not the one on disk any more."""
    try:
        return os.readlink(f"/proc/{pid}/exe").endswith(" (deleted)")
    except OSError:
        return False


def start(name, argv, env=None):
    RUN.mkdir(parents=True, exist_ok=True)
    LOG.mkdir(parents=True, exist_ok=True)
    out, log = RUN / f"{name}.exit", LOG / f"{name}.log"
    out.unlink(missing_ok=True)
    (RUN / f"{name}.asked").unlink(missing_ok=True)
    log.write_bytes(b"")
    keeper = subprocess.Popen(
        ["/bin/sh", "-c", _KEEPER, "bell", str(out), str(log), *map(str, argv)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={**os.environ, **(env or {})}, start_new_session=True, cwd="/")
    with keeper.stdout as pipe:
        pid = pipe.readline().decode().strip()
    keeper.returncode = 0  # never waited for: it outlives us
    if not pid:
        raise Trouble(f"{name} could not be started: {argv[0]}")
    (RUN / f"{name}.pid").write_text(f"{pid} {start_time(pid) or 0}\n")
    return int(pid)


def stop(name, patience, sig=signal.SIGTERM):
    """Asks it to end and waits. Returns its exit status, None when it did not run. After `patience` seconds it is
    killed, and the status is 137."""
    if RUN.is_dir():
        (RUN / f"{name}.asked").touch()
    pid = find(name)
    if pid is None:
        (RUN / f"{name}.pid").unlink(missing_ok=True)
        return None
    os.kill(pid, sig)
    deadline = time.monotonic() + patience
    while find(name) is not None:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline += 10
        time.sleep(0.02)
    (RUN / f"{name}.pid").unlink(missing_ok=True)
    return last_status(name)


def log_tail(name, lines=12):
    try:
        return (LOG / f"{name}.log").read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


def port_is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                return False
            raise Trouble(f"Port {port} cannot be used: {e.strerror}.") from e
    return True


def port_answers(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex(("127.0.0.1", port)) == 0


def port_holder(port):
    """ "bell-api (pid 12)", as far as /proc tells us (only for root or our own processes)."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            for line in open(table).readlines()[1:]:
                field = line.split()
                if field[3] == "0A" and int(field[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{field[9]}]")
        except OSError:
            pass
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for fd in os.scandir(f"/proc/{pid}/fd"):
                if os.readlink(fd.path) in inodes:
                    return f"{Path(f'/proc/{pid}/comm').read_text().strip()} (pid {pid})"
        except OSError:
            continue
    return None


def peak_memory(pid):
    """Bytes, the highest it ever was resident; 0 when gone."""
    try:
        for line in open(f"/proc/{pid}/status"):
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
