# with: certificates handshake

# As `openssl x509 -hash` gives it for the authority.
HASHED_NAME = "3617bb45.0"


def observe():
    ssl = imported("ssl", "this Python has no OpenSSL")
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
