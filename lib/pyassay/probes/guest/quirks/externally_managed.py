def observe():
    import sysconfig

    marker = os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    if not os.path.isfile(marker):
        return "no", "no %s" % marker
    try:
        with open(marker, "rb") as file:
            text = text_of(file.read(65536))
    except (IOError, OSError) as error:
        return "yes", "%s cannot be read: %s" % (marker, error.strerror)
    # The reason that pip prints: the value of Error, with its continued lines.
    told = []
    for line in text.splitlines():
        if told and not line[:1].isspace():
            break
        if told or line.startswith("Error"):
            told.append(line.partition("=")[2] if not told else line)
    said = " ".join(" ".join(told).split())
    return "yes", "%s: %s" % (marker, said or "says nothing"), {"marker": marker}
