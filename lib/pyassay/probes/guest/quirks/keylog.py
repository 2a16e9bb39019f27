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
CHILD = """
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

server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain(sys.argv[1])
client = ssl.create_default_context()
client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
print(handshake(client, server))
"""


def observe():
    try:
        import ssl
    except ImportError as error:
        raise NotApplicable("this Python has no OpenSSL: %s" % error)
    if sys.version_info < (3, 8):
        raise NotApplicable("SSLKEYLOGFILE is read from Python 3.8 on")
    if not hasattr(ssl.SSLContext, "keylog_filename"):
        return "missing", "SSLContext has no keylog_filename with %s" % ssl.OPENSSL_VERSION
    log = os.path.join(SCRATCH, "keys")
    # Not isolated: -E and -I make Python overlook the variable.
    child = python("-s", "-B", "-c", CHILD, write("server.pem", SERVER), env={"SSLKEYLOGFILE": log})
    if not child.ok:
        raise NotMeasured("the connection failed: %s" % child.said)
    try:
        with open(log, "rb") as file:
            labels = sorted(set(text_of(line).split()[0] for line in file if line[:1] not in (b"#", b"\n")))
    except (IOError, OSError) as error:
        return "fails", "%s: %s" % (child.out.strip(), error)
    if not labels:
        return "fails", "%s: the file is empty" % child.out.strip()
    return "works", "%s: %s" % (child.out.strip(), ", ".join(labels)), {"labels": labels}
