# with: elf


def observe():
    try:
        elf = Elf(REAL)
    except NoElf:
        raise NotApplicable("%s is not an ELF file" % REAL)
    for segment in elf.segments(PT_INTERP):
        loader = text_of(elf.bytes_at(segment.offset, min(segment.length, 256)).rstrip(b"\0"))
        return "dynamic", "its loader is %s" % loader
    if len(elf.segments()) < elf.segment_count:
        raise NotMeasured("the program headers of %s cannot be read" % REAL)
    return "static", "%s names no loader" % REAL
