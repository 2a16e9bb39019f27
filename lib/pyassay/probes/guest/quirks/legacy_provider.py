CONFIGURATION = u"""openssl_conf = init
[init]
providers = list
[list]
default = yes
legacy = yes
[yes]
activate = 1
"""


def built_in_path(name):
    """Return the folder that is baked into the file that holds OpenSSL, and that file."""
    import mmap
    import re

    import _hashlib

    own = [getattr(_hashlib, "__file__", None)]
    for path in mapped("libcrypto") + [path for path in own if path] + mapped("libpython") + [REAL]:
        with open(path, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            found = re.search((name + ': "([^"\0]*)"').encode("ascii"), data)
            folder = text_of(found.group(1)) if found else None
            data.close()
        if folder is not None:
            return folder, path
    return None, None


def observe():
    try:
        import _hashlib  # noqa: F401
        import ssl
    except ImportError as error:
        raise NotApplicable("its hashlib is made without OpenSSL: %s" % error)
    path = write("openssl.cnf", CONFIGURATION)
    code = "import hashlib; print(hashlib.new('md4', b'abc').hexdigest())"
    child = python("-I" if sys.version_info[0] > 2 else "-E", "-c", code, env={"OPENSSL_CONF": path})
    folder, holder = built_in_path("MODULESDIR")
    there = folder and os.path.exists(os.path.join(folder, "legacy.so"))
    details = {"openssl": ssl.OPENSSL_VERSION, "modules_folder": folder, "baked_into": holder, "there": there}
    if child.ok:
        return "works", "md4 of abc is %s (%s)" % (child.out.strip(), ssl.OPENSSL_VERSION), details
    if folder is None:
        return "fails", "%s; no MODULESDIR found" % child.said, details
    return "fails", "%s; legacy.so %s in %s" % (child.said, "is" if there else "is not", folder), details
