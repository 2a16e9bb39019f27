# Made once by openssl for this: the certificate of localhost, signed by an authority whose key was thrown
# away. It is worth nothing elsewhere, so that its key is no secret.
AUTHORITY = u"""\
-----BEGIN CERTIFICATE-----
MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9weWFzc2F5
IHRlc3QgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBoxGDAW
BgNVBAMMD3B5YXNzYXkgdGVzdCBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BC+lZRFB3pX+yiVH681DvbHcniBTaRjyqxA+YrIiyZTUaXNsSghizp5mwmveYs4E
joTstE8APj6iWIQ7e9koOZCjQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/
BAQDAgEGMB0GA1UdDgQWBBTqUcjauWrEbmYOwg071iBSe7QnNjAKBggqhkjOPQQD
AgNIADBFAiEArfbUXBemEfHJru4xTJFDZEjXdCOOPJhVDJZ97GsobYsCIENgCrsN
+txNfyBXsh3HC3uUFoR/LB7/jXgk08rkfJ4r
-----END CERTIFICATE-----
"""
SERVER = u"""\
-----BEGIN CERTIFICATE-----
MIIBmjCCAUCgAwIBAgIBAjAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9weWFzc2F5
IHRlc3QgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQ
BgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCr51ynB
0RgtAXbnzFjJf8DtacFYKnTUKosLCDzv7ljrgzUtQW5Pehg/fb7UxBDsn/n7RFsQ
2GUX+TKtRe1iJAejezB5MAwGA1UdEwEB/wQCMAAwFAYDVR0RBA0wC4IJbG9jYWxo
b3N0MB0GA1UdDgQWBBTKa+h79H8DSG8bYDlr1ComCiq7pjAfBgNVHSMEGDAWgBTq
UcjauWrEbmYOwg071iBSe7QnNjATBgNVHSUEDDAKBggrBgEFBQcDATAKBggqhkjO
PQQDAgNIADBFAiA9aSTAjc5FTZ74LhD8eYzkGhnXGUlYT75UPji1Iy/nPwIhAOy+
urfA2DDmg4NUGlOP9tBFwsrC3qwpp8OBRETRGIAc
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdWsqndeDEKW5d4f2
Ugmqp422gjr8i2zFHhfR8pmXWqqhRANCAAQq+dcpwdEYLQF258xYyX/A7WnBWCp0
1CqLCwg87+5Y64M1LUFuT3oYP32+1MQQ7J/5+0RbENhlF/kyrUXtYiQH
-----END PRIVATE KEY-----
"""
# As `openssl x509 -hash` gives it for the authority.
HASHED_NAME = "3617bb45.0"


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


def observe():
    try:
        import ssl
    except ImportError as error:
        raise NotApplicable("this Python has no OpenSSL: %s" % error)
    server = ssl.SSLContext(getattr(ssl, "PROTOCOL_TLS_SERVER", ssl.PROTOCOL_SSLv23))
    server.load_cert_chain(write("server.pem", SERVER))
    file = write("authority.pem", AUTHORITY)
    folder = os.path.dirname(write(os.path.join("hashed", HASHED_NAME), AUTHORITY))
    empty = write("empty.pem", u"")

    def connect(settings):
        os.environ.update({"SSL_CERT_FILE": empty, "SSL_CERT_DIR": SCRATCH})
        os.environ.update(settings)
        # A context of its own each time: OpenSSL reads the two variables when it is told its defaults.
        return handshake(server, ssl.create_default_context())

    trials = [
        ("neither", connect({})),
        ("file", connect({"SSL_CERT_FILE": file})),
        ("directory", connect({"SSL_CERT_DIR": folder})),
    ]
    details = dict((name, said) for name, (_, said) in trials)
    seen = "; ".join("%s: %s" % (name, said) for name, (_, said) in trials)
    accepted = [name for name, (version, _) in trials if version]
    if "neither" in accepted:
        return "unverified", seen, details
    answer = {2: "both", 1: "%s_only" % (accepted or [""])[0], 0: "none"}[len(accepted)]
    return answer, seen, details
