import struct


def observe():
    main = ([REAL] + [path for path in mapped("libpython") if path != REAL])[-1]
    names = _sections(main)
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


def _sections(path):
    """Return the names of the sections of an ELF file."""
    with open(path, "rb") as file:
        head = file.read(64)
        if head[:4] != b"\x7fELF":
            raise NotMeasured("%s is no ELF file" % path)
        order = "<" if head[5:6] == b"\1" else ">"
        wide = head[4:5] == b"\2"
        offset, = struct.unpack_from(order + ("Q" if wide else "I"), head, 40 if wide else 32)
        size, count, strings = struct.unpack_from(order + "HHH", head, 58 if wide else 46)
        file.seek(offset)
        table = file.read(size * count)
        if not offset or size < 40 or strings * size + size > len(table):
            return []
        place = order + ("QQ" if wide else "II")
        where, length = struct.unpack_from(place, table, strings * size + (24 if wide else 16))
        file.seek(where)
        text = file.read(min(length, 1 << 20))
    starts = [struct.unpack_from(order + "I", table, start)[0] for start in range(0, len(table) - 3, size)]
    return [text_of(text[start:].split(b"\0", 1)[0]) for start in starts]
