import struct


def observe():
    with open(REAL, "rb") as file:
        data = file.read(4096)
    if data[:4] != b"\x7fELF":
        raise NotApplicable("%s is not an ELF file" % REAL)
    order = "<" if data[5:6] == b"\x01" else ">"
    wide = data[4:5] == b"\x02"
    if wide:
        (start,) = struct.unpack(order + "Q", data[32:40])
        size, count = struct.unpack(order + "HH", data[54:58])
    else:
        (start,) = struct.unpack(order + "I", data[28:32])
        size, count = struct.unpack(order + "HH", data[42:46])
    for number in range(count):
        at = start + number * size
        header = data[at : at + size]
        if len(header) < size or size < 32:
            raise NotMeasured("the program headers of %s lie further in than expected" % REAL)
        if struct.unpack(order + "I", header[:4])[0] == 3:
            if wide:
                offset, _, _, length = struct.unpack(order + "4Q", header[8:40])
            else:
                offset, _, _, length = struct.unpack(order + "4I", header[4:20])
            with open(REAL, "rb") as file:
                file.seek(offset)
                loader = text_of(file.read(min(length, 256)).rstrip(b"\0"))
            return "dynamic", "its loader is %s" % loader
    return "static", "%s names no loader" % REAL
