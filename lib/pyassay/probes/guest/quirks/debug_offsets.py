def observe():
    if sys.version_info < (3, 13):
        raise NotApplicable("_Py_DebugOffsets came with 3.13")
    main = ([REAL] + [path for path in mapped("libpython") if path != REAL])[-1]
    with open(main, "rb") as file:
        data = file.read()
    # Tools look for a section of this name, which survives stripping, and for the mark at its begin.
    section, mark = b"\0.PyRuntime\0" in data, b"xdebugpy" in data
    details = {"section": section, "mark": mark, "file": main}
    if section and mark:
        return "present", "%s has the section .PyRuntime" % os.path.basename(main), details
    return "absent", "%s: section .PyRuntime: %s, mark: %s" % (os.path.basename(main), section, mark), details
