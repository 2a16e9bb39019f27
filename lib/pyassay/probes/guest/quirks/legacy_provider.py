import re

CONFIGURATION = u"""\
openssl_conf = init
[init]
providers = list
[list]
default = yes
legacy = yes
[yes]
activate = 1
"""


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
        import _hashlib  # noqa: F401
        import ssl
    except ImportError as error:
        raise NotApplicable("its hashlib is made without OpenSSL: %s" % error)
    path = write("openssl.cnf", CONFIGURATION)
    code = "import hashlib; print(hashlib.new('md4', b'abc').hexdigest())"
    child = python("-I" if sys.version_info[0] > 2 else "-E", "-c", code, env={"OPENSSL_CONF": path})
    folders, holder = baked()
    folder = folders.get("MODULESDIR")
    there = bool(folder) and os.path.exists(os.path.join(folder, "legacy.so"))
    details = {"openssl": ssl.OPENSSL_VERSION, "modules_folder": folder, "baked_into": holder, "there": there}
    if child.ok:
        return "works", "md4 of abc is %s (%s)" % (child.out.strip(), ssl.OPENSSL_VERSION), details
    if not folder:
        return "fails", "%s; no MODULESDIR found" % child.said, details
    return "fails", "%s; legacy.so %s in %s" % (child.said, "is" if there else "is not", folder), details
