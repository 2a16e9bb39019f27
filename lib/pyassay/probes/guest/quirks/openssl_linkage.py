SYSTEM = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/lib32/", "/usr/lib32/")


def observe():
    try:
        import _ssl
        import ssl
    except ImportError as error:
        return "absent", "import ssl: %s" % error
    files = mapped("libssl.", "libssl-", "libcrypto.", "libcrypto-")
    holder = getattr(_ssl, "__file__", None) or (mapped("libpython") + [REAL])[0]
    details = {"openssl": ssl.OPENSSL_VERSION, "files": files, "module_in": holder}
    if not files:
        return "static", "%s, linked into %s" % (ssl.OPENSSL_VERSION, holder), details
    prefix = os.path.realpath(BASE_PREFIX).rstrip("/") + "/"
    seen = "%s, %s" % (ssl.OPENSSL_VERSION, ", ".join(files))
    if prefix not in ("/", "/usr/") and all(path.startswith(prefix) for path in files):
        return "own", seen, details
    if all(path.startswith(SYSTEM) for path in files):
        return "system", seen, details
    return "other", seen, details
