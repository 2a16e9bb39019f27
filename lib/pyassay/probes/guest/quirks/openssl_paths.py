import re

SYSTEM = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/etc/")


def baked():
    """Return the folders that OpenSSL was built for, by name, and the file that names them."""
    import mmap

    import _ssl

    # The file of its own library, else the module or program that it was linked into.
    own = [_ssl.__file__] if getattr(_ssl, "__file__", None) else []
    for path in mapped("libcrypto") + own + mapped("libpython") + [REAL]:
        with open(path, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            found = re.findall(b'(OPENSSLDIR|ENGINESDIR|MODULESDIR): "([^"\0]*)"', data)
            data.close()
        if found:
            return dict((text_of(name), text_of(folder)) for name, folder in found), path
    return {}, None


def observe():
    try:
        import ssl
    except ImportError as error:
        raise NotApplicable("this Python has no OpenSSL: %s" % error)
    folders, holder = baked()
    if not folders:
        raise NotMeasured("%s: its files name no folders" % ssl.OPENSSL_VERSION)
    missing = sorted(name for name, folder in folders.items() if not os.path.isdir(folder))
    seen = "; ".join(
        "%s %s (%s)" % (name, folder, "missing" if name in missing else "there")
        for name, folder in sorted(folders.items())
    )
    configuration = os.path.join(folders.get("OPENSSLDIR", ""), "openssl.cnf")
    details = {
        "baked_into": holder,
        "missing": missing,
        "configuration": configuration,
        "configuration_there": os.path.exists(configuration),
    }
    details.update(folders)
    if not missing:
        return "there", seen, details
    # A distribution's folders may come with a package that is not installed here.
    if holder.startswith(SYSTEM) and all(folders[name].startswith(SYSTEM) for name in missing):
        return "not_installed", seen, details
    return ("partly" if len(missing) < len(folders) else "dead"), seen, details
