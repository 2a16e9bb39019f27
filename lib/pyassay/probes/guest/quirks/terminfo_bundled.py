# with: terminfo


def observe():
    bundle = os.path.join(BASE_PREFIX, "share", "terminfo")
    if os.path.realpath(bundle) in [os.path.realpath(folder) for folder in TERMINFO_FOLDERS]:
        raise NotApplicable("%s belongs to the system" % bundle)
    if not os.path.isdir(bundle):
        return "none", "no %s" % bundle
    names = sorted(name for _, _, files in os.walk(bundle) for name in files)
    try:
        import curses  # noqa: F401
    except ImportError as error:
        raise NotMeasured("%d files in %s, but this Python has no curses: %s" % (len(names), bundle, error))
    paths, _ = search_paths()
    details = {"folder": bundle, "files": len(names), "search_paths": paths}
    # Only an entry that the system does not have shows whether the bundle is searched.
    only_here = [name for name in names if not any(has_entry(folder, name) for folder in TERMINFO_FOLDERS)]
    if not only_here:
        raise NotMeasured("the system has all %d entries of %s as well" % (len(names), bundle))
    right, said = finds(only_here[0])
    named = finds(only_here[0], {"TERMINFO_DIRS": bundle})[0]
    details.update({"asked_for": only_here[0], "found_by_TERMINFO_DIRS": named})
    seen = "%d files in %s; %s: %s" % (len(names), bundle, only_here[0], said)
    return ("used" if right else "ignored"), seen, details
