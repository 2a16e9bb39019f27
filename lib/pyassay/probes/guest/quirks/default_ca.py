import re

ELSEWHERE = (
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
)


def certificates(path):
    """Return how many certificates a file holds; 0 when there is none or it cannot be read."""
    try:
        with open(path, "rb") as file:
            data = file.read(16 << 20)
    except (IOError, OSError):
        return 0
    return data.count(b"-----BEGIN CERTIFICATE-----") + data.count(b"-----BEGIN TRUSTED CERTIFICATE-----")


def hashed(folder):
    """Return how many names a folder holds that OpenSSL would look up, as 3617bb45.0."""
    try:
        names = os.listdir(folder)
    except (IOError, OSError):
        return 0
    return sum(
        bool(re.match(r"[0-9a-f]{8}\.[0-9]+$", name)) and os.path.exists(os.path.join(folder, name))
        for name in names
    )


def observe():
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        os.environ.pop(name, None)
    ssl = imported("ssl", "this Python has no OpenSSL")
    paths = ssl.get_default_verify_paths()
    file, folder = paths.openssl_cafile, paths.openssl_capath
    in_file, in_folder = certificates(file), hashed(folder)
    # Certificates of a folder are loaded when needed: the count of loaded ones says nothing of it.
    loaded = len(ssl.create_default_context().get_ca_certs())
    details = {
        "file": file,
        "folder": folder,
        "file_exists": os.path.exists(file),
        "folder_exists": os.path.isdir(folder),
        "certificates_in_file": in_file,
        "names_in_folder": in_folder,
        "loaded_at_start": loaded,
    }
    seen = "%s: %d certificates; %s: %d hashed names" % (file, in_file, folder, in_folder)
    if in_file and in_folder:
        return "both", seen, details
    if in_file:
        return "file", seen, details
    if in_folder:
        return "directory", seen, details
    others = [path for path in ELSEWHERE if certificates(path)]
    if not others:
        raise NotMeasured("this place has no certificates of authorities (none in %s, %s)" % (file, folder))
    details["elsewhere"] = others
    return "none", "%s; there are some in %s" % (seen, others[0]), details
