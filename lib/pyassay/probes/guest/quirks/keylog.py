# with: certificates handshake

CHILD = IN_MEMORY + """
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
server.load_cert_chain(sys.argv[1])
client = ssl.create_default_context()
client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
print(handshake(client, server))
"""


def observe():
    ssl = imported("ssl", "this Python has no OpenSSL")
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
