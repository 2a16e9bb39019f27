"""Connections of TLS inside one process: nothing listens, nothing leaves it."""

# For a process of its own, where settings for OpenSSL take effect: it is told them when it starts.
IN_MEMORY = """
import ssl, sys

def handshake(client, server):
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(back, there, server_hostname="localhost"),
            server.wrap_bio(there, back, server_side=True)]
    done = set()
    for turn in range(20):
        try:
            ends[turn % 2].do_handshake()
            done.add(turn % 2)
        except ssl.SSLWantReadError:
            pass
        if len(done) == 2:
            return ends[0].version()
"""


def handshake(server, client, name="localhost"):
    """Return the version that both agreed on (None: they did not) and what the client said."""
    import socket

    near, far = socket.socketpair()
    if sys.version_info[0] == 2:
        near, far = socket.socket(_sock=near), socket.socket(_sock=far)
    near.settimeout(10)
    far.settimeout(10)

    def serve():
        try:
            server.wrap_socket(far, server_side=True).close()
        except (EnvironmentError, ValueError):
            pass
        finally:
            far.close()

    thread = threading.Thread(target=serve)
    thread.daemon = True
    thread.start()
    try:
        connection = client.wrap_socket(near, server_hostname=name)
        try:
            return connection.version(), connection.version()
        finally:
            connection.close()
    except (EnvironmentError, ValueError) as error:
        return None, "%s: %s" % (type(error).__name__, error)
    finally:
        near.close()
        thread.join(10)
