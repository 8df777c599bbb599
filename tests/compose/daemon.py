"""A Docker daemon for the tests: the one that runs, or one of our own that leaves nothing behind but its cache.

Our own makes the two images that compose.yml takes from a registry: Debian's by debootstrap, QuestDB's from the jar (questdb/).
Nothing is pulled for it, and nothing under those names is left in anybody else's store."""

import os
import shutil
import subprocess
import time
from pathlib import Path

BASE, QUESTDB = "debian:bookworm-slim", "questdb/questdb:9.3.4"


class Trouble(Exception):
    """One sentence."""


def run(*argv, timeout=900, env=None, **more):
    return subprocess.run(list(map(str, argv)), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, env=env, **more)


class Daemon:
    def __init__(self, folder, jar):
        self.folder, self.jar, self.process, self.env = Path(folder), jar, None, dict(os.environ)
        self.docker = next((p for p in ("/usr/bin/docker", shutil.which("docker")) if p and os.access(p, os.X_OK)), None)
        if os.geteuid() != 0:
            raise Trouble("./bell test --compose runs a Docker daemon, and that needs root.")
        if not self.docker or not shutil.which("dockerd"):
            raise Trouble("There is no Docker here: apt-get install docker.io docker-compose")
        if shutil.which("docker-compose"):
            self.compose = ["docker-compose"]
        elif run(self.docker, "compose", "version").returncode == 0:
            self.compose = [self.docker, "compose"]
        else:
            raise Trouble("There is no Compose here: apt-get install docker-compose")
        self.env |= {"DOCKER_BUILDKIT": "1", "COMPOSE_DOCKER_CLI_BUILD": "1", "PATH": f"{Path(self.docker).parent}:{os.environ['PATH']}"}

    def call(self, *words, **more):
        return run(self.docker, *words, env=self.env, **more)

    def has(self, image):
        return self.call("image", "inspect", image).returncode == 0

    def start(self):
        if self.call("info").returncode == 0:
            for image in (BASE, QUESTDB):
                if not self.has(image) and self.call("pull", image).returncode:
                    raise Trouble(f"The Docker daemon that runs here cannot pull {image}. Stop it (systemctl stop docker docker.socket): "
                                  "the test then starts one of its own, which needs nothing pulled.")
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.network = run("iptables-save").stdout
        self.forward = Path("/proc/sys/net/ipv4/ip_forward").read_text()
        socket = f"unix://{self.folder}/docker.sock"
        with open(self.folder / "log", "w") as log:
            self.process = subprocess.Popen(
                ["dockerd", "-H", socket, "--data-root", self.folder / "data", "--exec-root", self.folder / "exec", "--pidfile", self.folder / "pid"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self.env["DOCKER_HOST"] = socket
        deadline = time.monotonic() + 60
        while self.call("info").returncode:
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "log").read_text().splitlines()[-3:]
                raise Trouble(f"dockerd does not start: {' '.join(said)}")
            time.sleep(0.2)
        if not self.has(BASE):
            self.make_base()
        if not self.has(QUESTDB):
            self.make_questdb()

    def make_base(self):
        root = self.folder / "rootfs"
        shutil.rmtree(root, ignore_errors=True)
        done = run("debootstrap", "--variant=minbase", "bookworm", root)
        if done.returncode:
            raise Trouble(f"debootstrap: {done.stdout[-300:]}{done.stderr[-300:]}")
        for old in (*root.glob("var/cache/apt/archives/*.deb"), *root.glob("var/lib/apt/lists/*_*")):
            old.unlink()
        done = subprocess.run(f"tar -C '{root}' -c . | '{self.docker}' import --change 'CMD [\"bash\"]' - {BASE}", shell=True, env=self.env,
                              capture_output=True, text=True)
        shutil.rmtree(root)
        if done.returncode:
            raise Trouble(f"docker import: {done.stderr[-300:]}")

    def make_questdb(self):
        context = self.folder / "questdb"
        shutil.rmtree(context, ignore_errors=True)
        shutil.copytree(Path(__file__).parent / "questdb", context)
        shutil.copyfile(self.jar, context / "questdb.jar")
        done = self.call("build", "-t", QUESTDB, context)
        shutil.rmtree(context)
        if done.returncode:
            raise Trouble(f"the image of QuestDB: {done.stderr[-500:]}")

    def stop(self):
        """dockerd leaves its bridge, its rules and a closed FORWARD chain behind: put back as they were."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        run("ip", "link", "delete", "docker0")
        run("iptables", "-P", "FORWARD", "ACCEPT")
        subprocess.run(["iptables-restore"], input=self.network or "*filter\nCOMMIT\n*nat\nCOMMIT\n", text=True, capture_output=True)
        Path("/proc/sys/net/ipv4/ip_forward").write_text(self.forward)
