"""./bell export FILE, ./bell import FILE: the whole record, through the API."""

import http.client
import json
import os

import parts
import talk
from place import FAILED, UNREACHABLE, USAGE, Trouble

PIECE = 1024 * 1024
PATIENCE = 3600  # seconds: an archive is verified and written whole before the last piece is answered


def ask(method, path, body=None, headers=None):
    """The reply, to be read; its connection ends with it."""
    port = parts.ports()["api"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        return connection.getresponse()
    except OSError as e:
        raise Trouble(f"There is no API on port {port} ({e.strerror or e}).", UNREACHABLE, ["Start it: ./bell up"]) from e


def refused(reply):
    text = reply.read().decode(errors="replace")
    try:
        return json.loads(text)["detail"]
    except (ValueError, KeyError):
        return f"status {reply.status}: {text[:200]}"


def file_of(args, what):
    if len(args.words) != 1:
        raise Trouble(f"{what} wants one file. See: ./bell help", USAGE)
    return args.words[0]


def export(args):
    path = file_of(args, "export")
    reply = ask("GET", "/api/v1/export")
    if reply.status != 200:
        raise Trouble(f"No export: {refused(reply)}", FAILED)
    partial = f"{path}.part"
    size = 0
    try:
        with open(partial, "wb") as file:
            while block := reply.read(PIECE):
                size += file.write(block)
                talk.redraw(f"{'export':<9} {size / 1e6:.1f} MB")
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)  # a file of this name is a whole one
    except OSError as e:
        raise Trouble(f"{path}: {e.strerror or e}", FAILED) from e
    except http.client.HTTPException as e:
        raise Trouble(f"The export ended early, after {size} bytes: try again.", FAILED) from e
    finally:
        if os.path.exists(partial):
            os.unlink(partial)
    talk.step("exported", f"{path} ({size / 1e6:.1f} MB)")
    return 0


def import_(args):
    path = file_of(args, "import")
    try:
        file = open(path, "rb")
    except OSError as e:
        raise Trouble(f"{path}: {e.strerror}", USAGE) from e
    crew = parts.Crew(parts.Plan())
    try:
        crew.check_ports(["questdb", "api"])
        crew.start("questdb")
        crew.start("api")
        rows = send(path, file)
    except BaseException:
        crew.undo()
        raise
    talk.step("imported", f"{path}: {rows} rows. The API is on {parts.api_url(crew.ports)}")
    return 0


def send(path, file):
    with file:
        size, at = os.fstat(file.fileno()).st_size, 0
        while True:
            piece = file.read(PIECE)
            last = at + len(piece) >= size or not piece
            if last:
                talk.redraw(f"{'import':<9} verified, then written")
            reply = ask("POST", f"/api/v1/import?offset={at}&complete={str(last).lower()}", piece, {"Content-Type": "application/gzip"})
            if reply.status != 200:
                raise Trouble(f"{path}: {refused(reply)}", FAILED)
            told = json.loads(reply.read())
            if last:
                return told["rows"]
            at += len(piece)
