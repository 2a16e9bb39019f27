# with: certificates handshake

CONFIGURATION = u"""\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = policy
[policy]
MinProtocol = TLSv1.3
"""
CHILD = IN_MEMORY + """
import warnings
warnings.simplefilter("ignore")
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
    ssl = imported("ssl", "this Python has no OpenSSL")
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
