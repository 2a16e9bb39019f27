"""The parts that packagers must bring along; each is really used, not only imported."""

import contextlib
import socket
import threading

# A part that is not there must not take the others with it: it is named by the check instead.
missing = {}
try:
    import psycopg2
    from psycopg2 import extensions
except ImportError as error:
    missing["psycopg2"] = error
try:
    import pycurl
except ImportError as error:
    missing["pycurl"] = error
try:
    from patient import _native
except ImportError as error:
    missing["extension"] = error


def check_psycopg2():
    """Quote by libpq, and let it try to reach a server that is none."""
    if extensions.adapt("o'k").getquoted() != b"'o''k'":
        raise AssertionError("psycopg2 quotes wrongly")
    try:
        psycopg2.connect("host=127.0.0.1 port=1 connect_timeout=5 dbname=none user=none")
    except psycopg2.OperationalError as error:
        if "refused" not in str(error):
            raise
    else:
        raise AssertionError("a server answers at port 1")


def check_pycurl():
    """Fetch a page from a server of our own, by libcurl."""
    received = []
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(10)
        thread = threading.Thread(target=_serve, args=(server,), daemon=True)
        thread.start()
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, f"http://127.0.0.1:{server.getsockname()[1]}/")
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.TIMEOUT, 10)
        curl.setopt(pycurl.WRITEFUNCTION, received.append)
        curl.perform()
        curl.close()
        thread.join(10)
    if b"".join(received) != b"curled":
        raise AssertionError(f"pycurl received {received}")


def _serve(server):
    with contextlib.closing(server.accept()[0]) as connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\ncurled")


def check_extension():
    """Call our own extension."""
    if _native.answer() != 42:
        raise AssertionError("the extension answers wrongly")


CHECKS = {"psycopg2": check_psycopg2, "pycurl": check_pycurl, "extension": check_extension}


def surroundings():
    """Return what the parts say of themselves, and how it is asked."""
    return {
        "native_file": lambda: _native.__file__,
        "curl": lambda: pycurl.version,
        "libpq": lambda: extensions.libpq_version(),  # noqa: PLW0108 - it may be missing
    }
