# with: elf


def needed(path):
    """Return the libraries that an ELF file is linked with; none for anything else."""
    try:
        elf = Elf(path)
    except NoElf:
        return []
    dynamic = elf.segments(PT_DYNAMIC)
    if not dynamic:
        return []
    entries = elf.bytes_at(dynamic[0].offset, min(dynamic[0].length, 1 << 20))
    step = 16 if elf.wide else 8
    pairs = [elf.unpack("QQ" if elf.wide else "II", entries, at) for at in range(0, len(entries) - step + 1, step)]
    # DT_STRTAB says where the names lie in memory, DT_NEEDED how far into them.
    table = [address for tag, address in pairs if tag == 5]
    return [name_at(elf, table[0] if table else None, offset) for tag, offset in pairs if tag == 1]


def name_at(elf, table, offset):
    for segment in elf.segments(PT_LOAD):
        if table is not None and segment.address <= table < segment.address + segment.length:
            return text_of(elf.bytes_at(segment.offset + table - segment.address + offset, 256).split(b"\0")[0])
    return ""


def observe():
    import sysconfig

    files = [REAL] + mapped("libpython")
    folders = [
        sysconfig.get_config_var("DESTSHARED"),
        os.path.join(sysconfig.get_path("platstdlib"), "lib-dynload"),
    ]
    folders.append(os.path.join(sysconfig.get_path("stdlib"), "lib-dynload"))
    for folder in folders:
        if folder and os.path.isdir(folder):
            files += [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if ".so" in name]
    wanting, where = [], {}
    for path in files:
        real = os.path.realpath(path)
        if real in where:
            continue
        where[real] = [name for name in needed(real) if name.startswith("libcrypt.so")]
        if where[real]:
            wanting.append(real)
    details = dict((path, where[path]) for path in wanting)
    seen = "%d files read" % len(where)
    if not wanting:
        return "nowhere", seen, details
    if all(
        os.path.basename(path).startswith(("_crypt.", "_cryptmodule.", "cryptmodule.", "crypt."))
        for path in wanting
    ):
        return "crypt only", "%s; %s" % (os.path.basename(wanting[0]), seen), details
    return "interpreter", "%s needs %s" % (wanting[0], where[wanting[0]][0]), details
