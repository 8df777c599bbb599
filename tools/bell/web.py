"""HTTP: JSON in, JSON out. To our own parts on loopback never through a proxy; to a broker far away as the environment says."""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request

_near = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
_far = urllib.request.build_opener().open


class Unreachable(Exception):
    """Nothing that can be used came from that address."""

    def __init__(self, url, reason):
        super().__init__(f"{url}: {reason}")
        self.reason = reason


def request(url, headers=None, timeout=5.0):
    """(status, body text)."""
    try:
        with (_far if url.startswith("https:") else _near)(urllib.request.Request(url, headers=headers or {}), timeout=timeout) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode(errors="replace")
    except (OSError, ValueError, http.client.HTTPException) as e:     # the latter: it ended in the middle of its reply
        why = getattr(e, "reason", e)
        raise Unreachable(url, getattr(why, "strerror", None) or why) from e


def get(url, headers=None, timeout=5.0, **query):
    """The JSON of a 200; anything else raises Unreachable with what came."""
    if query:
        url += "?" + urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})
    status, body = request(url, headers, timeout)
    if status != 200:
        raise Unreachable(url, f"it answered {status}: {body[:200]}")
    # Money stays text: no figure of ours ever goes through a float.
    return json.loads(body, parse_float=str)


def items(url, timeout=10.0, **query):
    """All items of one of the API's lists, page by page."""
    cursor = None
    while True:
        page = get(url, timeout=timeout, cursor=cursor, **query)
        yield from page["items"]
        cursor = page.get("next_cursor")
        if not cursor:
            return
