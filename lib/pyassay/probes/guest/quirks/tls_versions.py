# with: certificates handshake


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
    ssl = imported("ssl", "this Python has no OpenSSL")
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
