# with: certificates handshake


def observe():
    ssl = imported("ssl", "this Python has no OpenSSL")
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
