# with: openssl

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


def observe():
    try:
        import _hashlib  # noqa: F401
        import ssl
    except ImportError as error:
        raise NotApplicable("its hashlib is made without OpenSSL: %s" % error)
    path = write("openssl.cnf", CONFIGURATION)
    code = "import hashlib; print(hashlib.new('md4', b'abc').hexdigest())"
    child = python(ISOLATED, "-c", code, env={"OPENSSL_CONF": path})
    folders, holder = openssl_folders()
    folder = folders.get("MODULESDIR")
    there = bool(folder) and os.path.exists(os.path.join(folder, "legacy.so"))
    details = {"openssl": ssl.OPENSSL_VERSION, "modules_folder": folder, "baked_into": holder, "there": there}
    if child.ok:
        return "works", "md4 of abc is %s (%s)" % (child.out.strip(), ssl.OPENSSL_VERSION), details
    if not folder:
        return "fails", "%s; no MODULESDIR found" % child.said, details
    return "fails", "%s; legacy.so %s in %s" % (child.said, "is" if there else "is not", folder), details
