def observe():
    try:
        import readline
    except ImportError as error:
        return "absent", "import readline: %s" % error
    version = getattr(readline, "_READLINE_LIBRARY_VERSION", "")
    # readline.backend came with 3.13; before, only the text of the module tells.
    backend = getattr(readline, "backend", None)
    if backend is None:
        backend = "editline" if "libedit" in (readline.__doc__ or "") else "readline"
    details = {
        "version": version,
        "files": mapped("libreadline", "libedit"),
        "module": getattr(readline, "__file__", None) or "built in",
    }
    seen = "%s, library version %s" % (readline.__doc__ or "no text", version or "unknown")
    return ("libedit" if backend == "editline" else "gnu"), seen, details
