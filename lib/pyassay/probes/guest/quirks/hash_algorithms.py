# Used by protocols and file formats, and switched off or moved by some builds of OpenSSL.
OFTEN_USED = ("ripemd160", "sm3", "sha512_256")


def usable(name):
    import hashlib

    try:
        made = hashlib.new(name, b"abc")
        return len(made.digest(16) if name.startswith("shake") else made.digest()) > 0
    except Exception:
        return False


def observe():
    import hashlib

    guaranteed = sorted(hashlib.algorithms_guaranteed)
    missing = [name for name in guaranteed if not usable(name)]
    others = [name for name in OFTEN_USED if not usable(name)]
    details = {"guaranteed": guaranteed, "missing": missing, "others_missing": others}
    details["available"] = sorted(hashlib.algorithms_available)
    if missing:
        seen = "missing of %d guaranteed: %s" % (len(guaranteed), ", ".join(missing))
        return ("no_md5" if missing == ["md5"] else "incomplete"), seen, details
    if "ripemd160" in others:
        return "no_ripemd160", "all %d guaranteed; not ripemd160" % len(guaranteed), details
    return "all", "all %d guaranteed, and ripemd160" % len(guaranteed), details
