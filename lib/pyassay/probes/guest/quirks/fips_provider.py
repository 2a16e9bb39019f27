# with: openssl

CONFIGURATION = u"""\
openssl_conf = init
%s
[init]
providers = list
alg_section = algorithms
[list]
base = yes
fips = fips_sect
[yes]
activate = 1
%s
[algorithms]
default_properties = fips=yes
"""
CHILD = """
import _hashlib
for name in ("sha256", "md5"):
    try:
        print(name, _hashlib.new(name, b"abc").hexdigest()[:8])
    except Exception as error:
        print(name, "refused:", error)
"""


def observe():
    try:
        import _hashlib  # noqa: F401
        import ssl
    except ImportError as error:
        raise NotApplicable("its hashlib is made without OpenSSL: %s" % error)
    if ssl.OPENSSL_VERSION_INFO < (3,):
        raise NotApplicable("%s has no providers" % ssl.OPENSSL_VERSION)
    folders, _ = openssl_folders()
    module = os.path.join(folders.get("MODULESDIR", ""), "fips.so")
    settings = os.path.join(folders.get("OPENSSLDIR", ""), "fipsmodule.cnf")
    # What `openssl fipsinstall` wrote holds the checksum; some distributions build it into the module.
    if os.path.exists(settings):
        text = CONFIGURATION % (".include %s" % settings, "")
    else:
        text = CONFIGURATION % ("", "[fips_sect]\nactivate = 1")
    path = write("openssl.cnf", text)
    child = python("-I", "-c", CHILD, env={"OPENSSL_CONF": path})
    said = "; ".join(child.out.splitlines()) or child.said
    details = {
        "module": module,
        "module_there": os.path.exists(module),
        "settings": settings,
        "settings_there": os.path.exists(settings),
    }
    # Only FIPS in force gives one and refuses the other: a module that fails to load leaves both or neither.
    if "sha256 ba7816bf" in child.out and "md5 refused" in child.out:
        return "present", "with fips and base only: %s" % said, details
    if details["module_there"]:
        return "unusable", "%s is there, but: %s" % (module, said), details
    return "absent", "no %s" % module, details
