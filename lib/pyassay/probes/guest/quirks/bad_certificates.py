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
# The same, valid in 2019 only.
EXPIRED = u"""\
-----BEGIN CERTIFICATE-----
MIIBmTCCAT6gAwIBAgIBAzAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9weWFzc2F5
IHRlc3QgQ0EwHhcNMTkwMTAxMDAwMDAwWhcNMjAwMTAxMDAwMDAwWjAUMRIwEAYD
VQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQq+dcpwdEY
LQF258xYyX/A7WnBWCp01CqLCwg87+5Y64M1LUFuT3oYP32+1MQQ7J/5+0RbENhl
F/kyrUXtYiQHo3sweTAMBgNVHRMBAf8EAjAAMBQGA1UdEQQNMAuCCWxvY2FsaG9z
dDAdBgNVHQ4EFgQUymvoe/R/A0hvG2A5a9QqJgoqu6YwHwYDVR0jBBgwFoAU6lHI
2rlqxG5mDsINO9YgUnu0JzYwEwYDVR0lBAwwCgYIKwYBBQUHAwEwCgYIKoZIzj0E
AwIDSQAwRgIhAMluBDnGj5NUM0VZuNB19DstmjsDiUozFsdGER5SXBpDAiEA+oX5
FDSX71EY3ppA+lkHS5sJ4Vv1nKPfUBpxd/VhjmI=
-----END CERTIFICATE-----
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgdWsqndeDEKW5d4f2
Ugmqp422gjr8i2zFHhfR8pmXWqqhRANCAAQq+dcpwdEYLQF258xYyX/A7WnBWCp0
1CqLCwg87+5Y64M1LUFuT3oYP32+1MQQ7J/5+0RbENhlF/kyrUXtYiQH
-----END PRIVATE KEY-----
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


def observe():
    try:
        import ssl
    except ImportError as error:
        raise NotApplicable("this Python has no OpenSSL: %s" % error)
    authority = write("authority.pem", AUTHORITY)
    servers = {}
    for kind, text in (("valid", SERVER), ("expired", EXPIRED)):
        servers[kind] = ssl.SSLContext(getattr(ssl, "PROTOCOL_TLS_SERVER", ssl.PROTOCOL_SSLv23))
        servers[kind].load_cert_chain(write(kind + ".pem", text))
    client = ssl.create_default_context(cafile=authority)
    version, said = handshake(servers["valid"], client)
    if not version:
        raise NotMeasured("a good certificate is refused as well: %s" % said)
    trials = [
        ("expired", handshake(servers["expired"], client)),
        ("other name", handshake(servers["valid"], client, "elsewhere.example")),
        ("unknown authority", handshake(servers["valid"], ssl.create_default_context())),
    ]
    details = dict((name, said) for name, (_, said) in trials)
    accepted = [name for name, (version, _) in trials if version]
    if accepted:
        return "accepted", "accepted: %s" % ", ".join(accepted), details
    return "refused", trials[0][1][1], details
