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
CONFIGURATION = u"""\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = policy
[policy]
MinProtocol = TLSv1.3
"""
CHILD = """
import ssl, sys, warnings
warnings.simplefilter("ignore")

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

if hasattr(ssl, "TLSVersion"):
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.minimum_version = server.maximum_version = ssl.TLSVersion.TLSv1_2
else:
    server = ssl.SSLContext(ssl.PROTOCOL_TLSv1_2)
server.load_cert_chain(sys.argv[1])
client = ssl.create_default_context()
client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
print("minimum_version %s" % getattr(client, "minimum_version", "unknown"))
print("options %s" % client.options)
try:
    print("agreed on %s" % handshake(client, server))
except ssl.SSLError as error:
    print("refused: %s" % error)
"""


def observe():
    try:
        import ssl
    except ImportError as error:
        raise NotApplicable("this Python has no OpenSSL: %s" % error)
    if sys.version_info < (3, 6):
        raise NotApplicable("needs Python 3.6 for connections in memory")
    if not getattr(ssl, "HAS_TLSv1_3", False):
        raise NotApplicable("%s has no TLS 1.3" % ssl.OPENSSL_VERSION)
    chain, policy = write("server.pem", SERVER), write("openssl.cnf", CONFIGURATION)
    ended = {}
    for name, path in (("without", write("none.cnf", u"")), ("with", policy)):
        ended[name] = python("-I", "-c", CHILD, chain, env={"OPENSSL_CONF": path})
        if not ended[name].ok:
            raise NotMeasured("%s the policy: %s" % (name, ended[name].said))
    details = dict((name, child.out.splitlines()) for name, child in ended.items())
    if "agreed on TLSv1.2" not in ended["without"].out:
        raise NotMeasured("TLS 1.2 is refused without any policy: %s" % ended["without"].said)
    seen = "MinProtocol = TLSv1.3, offered TLS 1.2: %s" % "; ".join(details["with"][::2])
    return "ignored" if "agreed on" in ended["with"].out else "honoured", seen, details
