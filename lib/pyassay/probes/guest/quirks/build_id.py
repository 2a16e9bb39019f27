# with: elf


def observe():
    files = [REAL] + [path for path in mapped("libpython") if path != REAL]
    found = dict((path, build_id(path)) for path in files)
    # Most code is in the last: libpython, if there is one.
    main = files[-1]
    if found[main]:
        return "present", "%s: %s" % (os.path.basename(main), found[main]), found
    return "absent", "%s has no build ID" % os.path.basename(main), found


def build_id(path):
    """Return the build ID of an ELF file, read from the notes that its program header names."""
    elf = Elf(path)
    for segment in elf.segments(PT_NOTE):
        text = in_notes(elf.bytes_at(segment.offset, min(segment.length, 1 << 16)), elf.order)
        if text:
            return text
    return ""


def in_notes(notes, order):
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from(order + "III", notes, at)
        name = notes[at + 12 : at + 12 + name_size]
        start = at + 12 + (name_size + 3) // 4 * 4
        if kind == 3 and name == b"GNU\0":
            return "".join("%02x" % byte for byte in bytearray(notes[start : start + size]))
        at = start + (size + 3) // 4 * 4
    return ""
