WRITE = """
import readline, sys
readline.add_history("first line")
readline.add_history("second line")
readline.write_history_file(sys.argv[1])
"""
APPEND = """
import readline, sys
readline.read_history_file(sys.argv[1])
readline.add_history("third line")
readline.append_history_file(1, sys.argv[1])
"""
READ = """
import readline, sys
readline.read_history_file(sys.argv[1])
print([readline.get_history_item(i + 1) for i in range(readline.get_current_history_length())])
"""


def observe():
    readline = imported("readline", "this Python has no readline")
    path = os.path.join(SCRATCH, "history")
    written = python(ISOLATED, "-c", WRITE, path)
    if not written.ok:
        return "fails", "write_history_file: %s" % written.said
    with open(path, "rb") as file:
        first = text_of(file.readline()).strip()
    other = python(ISOLATED, "-c", READ, write("plain", u"a line\nanother line\n"))
    details = {
        "first_line": first,
        "append_history_file": hasattr(readline, "append_history_file"),
        "reads_plain": other.out.strip() if other.ok else other.said,
    }
    if details["append_history_file"]:
        appended = python(ISOLATED, "-c", APPEND, path)
        details["appended"] = "works" if appended.ok else appended.said
    seen = "first line %r; append_history_file is %s; a plain file: %s" % (
        str(first),
        "there" if details["append_history_file"] else "missing",
        details["reads_plain"],
    )
    if not first.startswith("_HiStOrY_V"):
        return "plain", seen, details
    return ("libedit" if other.ok else "libedit_only"), seen, details
