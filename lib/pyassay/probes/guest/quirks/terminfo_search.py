# with: terminfo

TERMINALS = ("xterm", "xterm-256color", "screen-256color", "tmux-256color", "linux", "vt100")


def observe():
    imported("curses", "this Python has no curses")
    known = [name for name in TERMINALS if any(has_entry(folder, name) for folder in TERMINFO_FOLDERS)]
    paths, holder = search_paths()
    details = {"search_paths": paths, "baked_into": holder, "terminals_here": known}
    if not known:
        right, said = finds("xterm")
        if not right:
            raise NotMeasured("this place has no terminfo entries in %s: %s" % (", ".join(paths), said))
        return "all", "xterm, although this place has no terminfo entries", details
    results = [(name, finds(name)) for name in known]
    missed = [name for name, (right, _) in results if not right]
    seen = "%d of %d terminals found; searched: %s" % (
        len(known) - len(missed), len(known), ", ".join(paths) or "unknown")
    if missed:
        seen += "; %s: %s" % (missed[0], dict(results)[missed[0]][1])
    return "all" if not missed else ("some" if len(missed) < len(known) else "none"), seen, details
