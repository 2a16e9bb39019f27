"""Ask a package index what it has, or fetch a file of it, exactly as this Python's pip would.

Runs with pip on its path and the user's own settings: pip's session carries its certificates, proxies and
credentials, so that none of them has to be known here. Reads a JSON object from standard input and writes one
to the file named by the first argument:

    {"list": ["uv-build"], "max_bytes": 67108864}
    {"fetch": [{"url": ..., "sha256": ..., "to": ...}], "max_bytes": ...}
"""
import hashlib
import json
import os
import sys

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


def pages(session, options, name):
    """Return the files that every index of the user's has for a project."""
    found, faults, seen = [], [], set()
    for base in [options.index_url] + list(options.extra_index_urls):
        if not base:
            continue
        address = base.rstrip("/") + "/" + name + "/"
        try:
            answer = session.get(address, headers={"Accept": ACCEPT, "Cache-Control": "max-age=0"})
            if answer.status_code != 200:
                faults.append("status %d" % answer.status_code)
                continue
            for one in parsed(answer, address):
                if one["filename"] not in seen:
                    seen.add(one["filename"])
                    found.append(one)
        except Exception as error:
            faults.append(type(error).__name__)
    return {"files": found, "faults": faults}


def parsed(answer, address):
    """Return files of a page in JSON (PEP 691) or HTML (PEP 503)."""
    from urllib.parse import unquote, urldefrag, urljoin

    address = getattr(answer, "url", None) or address
    if "json" in answer.headers.get("content-type", ""):
        for one in answer.json().get("files", []):
            yield {
                "filename": one.get("filename", ""),
                "url": urljoin(address, one.get("url", "")),
                "sha256": (one.get("hashes") or {}).get("sha256", ""),
                "size": one.get("size"),
                "released": str(one.get("upload-time") or "")[:10],
                "yanked": bool(one.get("yanked")),
            }
        return
    for attributes in anchors(answer.text):
        url, fragment = urldefrag(urljoin(address, attributes.get("href") or ""))
        yield {
            "filename": unquote(url.rsplit("/", 1)[-1]),
            "url": url,
            "sha256": fragment[len("sha256="):] if fragment.startswith("sha256=") else "",
            "size": None,
            "released": (attributes.get("data-upload-time") or "")[:10],
            "yanked": "data-yanked" in attributes,
        }


def anchors(text):
    """Return the attributes of every link of a page."""
    from html.parser import HTMLParser

    class Links(HTMLParser):
        found = []

        def handle_starttag(self, tag, attributes):
            if tag == "a":
                self.found.append(dict(attributes))

    reader = Links()
    reader.found = []
    reader.feed(text)
    return reader.found


def fetch(session, url, sha256, to, max_bytes):
    """Fetch one file; return why it could not be, or an empty text."""
    partial = "%s.%d" % (to, os.getpid())
    digest, size = hashlib.sha256(), 0
    try:
        answer = session.get(url, stream=True, headers={"Accept-Encoding": "identity"})
        if answer.status_code != 200:
            return "status %d" % answer.status_code
        with open(partial, "wb") as stream:
            for chunk in answer.iter_content(1 << 16):
                size += len(chunk)
                if size > max_bytes:
                    return "larger than %d bytes" % max_bytes
                digest.update(chunk)
                stream.write(chunk)
        if sha256 and digest.hexdigest() != sha256:
            return "its SHA-256 is not the one that the index gave"
        os.rename(partial, to)
        return ""
    except Exception as error:
        return type(error).__name__
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def main():
    from pip._internal.commands import create_command

    asked = json.load(sys.stdin)
    limit = asked.get("max_bytes", 1 << 26)
    command = create_command("download")
    options, _ = command.parse_args([])
    told = {"pages": {}, "fetched": {}}
    with command.main_context():
        session = command.get_default_session(options)
        for name in asked.get("list", []):
            told["pages"][name] = pages(session, options, name)
        for one in asked.get("fetch", []):
            told["fetched"][one["to"]] = fetch(session, one["url"], one["sha256"], one["to"], limit)
    with open(sys.argv[1], "w") as stream:
        json.dump(told, stream)


main()
