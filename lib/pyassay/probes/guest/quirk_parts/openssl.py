"""What OpenSSL was built for."""

import re


def openssl_folders():
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
