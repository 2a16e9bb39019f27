# with: openssl

SYSTEM = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/etc/")


def observe():
    ssl = imported("ssl", "this Python has no OpenSSL")
    folders, holder = openssl_folders()
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
