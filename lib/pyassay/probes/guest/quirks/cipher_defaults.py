# What CPython's _ssl.c sets unless it is configured otherwise (--with-ssl-default-suites=python).
OF_CPYTHON = (
    ((3, 10), "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"),
    ((3, 7), "DEFAULT:!aNULL:!eNULL:!MD5:!3DES:!DES:!RC4:!IDEA:!SEED:!aDSS:!SRP:!PSK"),
)


def names(ssl, string):
    context = ssl.create_default_context()
    if string is not None:
        context.set_ciphers(string)
    return [cipher["name"] for cipher in context.get_ciphers()]


def observe():
    ssl = imported("ssl", "this Python has no OpenSSL")
    if sys.version_info < (3, 7):
        raise NotApplicable("before Python 3.7 the list is in ssl.py, the same everywhere")
    import sysconfig

    default = names(ssl, None)
    of_cpython = names(ssl, [string for version, string in OF_CPYTHON if sys.version_info >= version][0])
    # What OpenSSL itself would offer, unless its configuration says else.
    of_openssl = [cipher["name"] for cipher in ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).get_ciphers()]
    weak = [name for name in default if not name.startswith(("TLS_", "ECDHE", "DHE"))]
    details = {
        "ciphers": default,
        "without_forward_secrecy": weak,
        "setting": sysconfig.get_config_var("PY_SSL_DEFAULT_CIPHERS"),
    }
    seen = "%d ciphers, %d of them without forward secrecy" % (len(default), len(weak))
    if default == of_cpython:
        return "cpython", seen, details
    if default == names(ssl, "DEFAULT") or default == names(ssl, "ALL:!COMPLEMENTOFDEFAULT:!eNULL"):
        return "openssl", seen, details
    return "own", seen, details
