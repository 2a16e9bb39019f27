# with: elf


def observe():
    main = ([REAL] + [path for path in mapped("libpython") if path != REAL])[-1]
    names = Elf(main).section_names()
    here = os.path.basename(main)
    found = {
        "file": main,
        "symtab": ".symtab" in names,
        "dwarf": ".debug_info" in names,
        "debuglink": ".gnu_debuglink" in names or ".gnu_debugaltlink" in names,
        "mini": ".gnu_debugdata" in names,
    }
    beside = ["/usr/lib/debug" + main + ".debug", main + ".debug"]
    found["separate"] = [path for path in beside if os.path.exists(path)]
    if found["dwarf"] or found["separate"]:
        return "full", "%s has DWARF%s" % (here, "" if found["dwarf"] else " in a file of its own"), found
    if found["symtab"] or found["mini"]:
        return "names_only", "%s has a symbol table, no DWARF" % here, found
    return "exported_only", "%s has neither .symtab nor DWARF%s" % (
        here, ", but names a file of its debug information" if found["debuglink"] else ""), found  # fmt: skip
