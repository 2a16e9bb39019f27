"""Reading an ELF file: its segments, and the names of its sections."""

import struct

PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_NOTE, PT_GNU_STACK = 1, 2, 3, 4, 0x6474E551
MOST_SEGMENTS = 4096
MOST_BYTES_AT_ONCE = 64 << 20


class NoElf(NotMeasured):
    """It is no ELF file."""


class Segment(object):
    """An entry of the program header: type and flags, where it lies in the file and in memory, and its size there."""

    def __init__(self, kind, flags, offset, address, length):
        self.kind, self.flags, self.offset, self.address, self.length = kind, flags, offset, address, length


class Elf(object):
    """An ELF file of either width and byte order; whatever of it is cut off is left out."""

    def __init__(self, path):
        self.path = path
        self.head = self.bytes_at(0, 64)
        self.wide = self.head[4:5] == b"\2"
        if self.head[:4] != b"\x7fELF" or len(self.head) < (64 if self.wide else 52):
            raise NoElf("%s is no ELF file" % path)
        self.order = "<" if self.head[5:6] == b"\1" else ">"
        self._start, self._sections = self.unpack("QQ" if self.wide else "II", self.head, 32 if self.wide else 28)
        # Sizes and counts of the two tables, and which section holds the names of sections.
        self._sizes = self.unpack("5H", self.head, 54 if self.wide else 42)

    def unpack(self, form, data, at=0):
        """Return numbers of the file's byte order."""
        return struct.unpack_from(self.order + form, data, at)

    def bytes_at(self, offset, length):
        """Return a part of the file, shorter where the file ends."""
        if offset >> 62:
            return b""
        with open(self.path, "rb") as file:
            file.seek(offset)
            return file.read(min(length, MOST_BYTES_AT_ONCE))

    @property
    def segment_count(self):
        """How many segments the header promises."""
        return self._sizes[1]

    def segments(self, *kinds):
        """Return the segments that can be read, of all kinds or of some."""
        size, count = self._sizes[:2]
        if size < (56 if self.wide else 32) or count > MOST_SEGMENTS:
            return []
        table, found = self.bytes_at(self._start, size * count), []
        for at in range(0, len(table) - size + 1, size):
            if self.wide:
                kind, flags, offset, address, _, length = self.unpack("IIQQQQ", table, at)
            else:
                kind, offset, address, _, length, _, flags = self.unpack("7I", table, at)
            if not kinds or kind in kinds:
                found.append(Segment(kind, flags, offset, address, length))
        return found

    def section_names(self):
        """Return the names of the sections; none when their table is cut off."""
        size, count, strings = self._sizes[2:]
        table = self.bytes_at(self._sections, size * count)
        if not self._sections or size < 40 or strings * size + size > len(table):
            return []
        where, length = self.unpack("QQ" if self.wide else "II", table, strings * size + (24 if self.wide else 16))
        text = self.bytes_at(where, min(length, 1 << 20))
        starts = [self.unpack("I", table, start)[0] for start in range(0, len(table) - 3, size)]
        return [text_of(text[start:].split(b"\0", 1)[0]) for start in starts]
