# Made once by openssl for this: the certificate of localhost, signed by an authority whose key was thrown
# away. It is worth nothing elsewhere, so that its key is no secret.
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


def limited(ssl, server_side, version):
    """Return a context that speaks one version, however weak it is thought to be."""
    protocol = "PROTOCOL_TLS_SERVER" if server_side else "PROTOCOL_TLS_CLIENT"
    context = ssl.SSLContext(getattr(ssl, protocol, ssl.PROTOCOL_SSLv23))
    if not server_side:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version < "TLSv1.2":
        context.set_ciphers("ALL:@SECLEVEL=0")
    names = {"TLSv1": "TLSv1", "TLSv1.1": "TLSv1_1", "TLSv1.2": "TLSv1_2", "TLSv1.3": "TLSv1_3"}
    if hasattr(context, "minimum_version"):
        context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, names[version])
    for other in names:
        if other != version:
            context.options |= getattr(ssl, "OP_NO_" + names[other], 0)
    return context


def observe():
    import warnings

    warnings.simplefilter("ignore")
    try:
        import ssl
    except ImportError as error:
        raise NotApplicable("this Python has no OpenSSL: %s" % error)
    chain = write("server.pem", SERVER)
    default = ssl.create_default_context()
    default.check_hostname, default.verify_mode = False, ssl.CERT_NONE
    details = {"openssl": ssl.OPENSSL_VERSION}
    agreed = []
    for version in ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"):
        try:
            server = limited(ssl, True, version)
            server.load_cert_chain(chain)
            got, said = handshake(server, default)
            if got == version:
                agreed.append(version)
            elif handshake(server, limited(ssl, False, version))[0] == version:
                said += " (possible on request)"
        except (AttributeError, ValueError, ssl.SSLError) as error:
            said = "%s: %s" % (type(error).__name__, error)
        details[version] = said
    seen = "a default client agrees to %s" % (", ".join(agreed) or "nothing")
    if not agreed:
        return "none", seen, details
    if agreed[0] < "TLSv1.2":
        return "old", seen, details
    return {2: "modern"}.get(len(agreed), "only_1_2" if "TLSv1.2" in agreed else "only_1_3"), seen, details
