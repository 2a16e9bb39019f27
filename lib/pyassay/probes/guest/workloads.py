"""Small honest workloads for timing one Python against another. Runs inside foreign interpreters, 3.6 on.

Each does the same work on every version, on made-up data that is the same in every run, and keeps nothing
from one iteration to the next. What a workload needs (a module, a program) is looked for when it is prepared;
what is missing makes that one unavailable, with the reason. So does a wrong result: a fast wrong answer is
no speed.

Standard library only, old syntax: 2.7 runs what it can.
"""
from __future__ import absolute_import, division, print_function, unicode_literals

import sys

WORKLOADS = {}
"""The workloads by name, in the order in which they stand here."""

ORDER = []
"""The names in that order (a dict has none before 3.7)."""

SCRATCH = None
"""A folder for the workloads that need files; None: each makes a temporary one and removes it at exit."""


class WrongResult(Exception):
    """A workload computed something else than it does everywhere."""


class Workload(object):
    """One workload: ``run(n)`` does n iterations and returns nothing.

    ``n`` is how many take roughly 10 ms of CPU on a machine of the 2020s. ``run`` is None until it is
    prepared, ``reason`` empty unless it is not available here.
    """

    def __init__(self, name, group, n, meaning, make):
        self.name = name
        self.group = group
        self.n = n
        self.meaning = meaning
        self.make = make
        self.run = None
        self.reason = ""


def workload(name, group, n, meaning):
    """Enter a factory as a workload; it is called when the workload is first wanted."""

    def enter(make):
        WORKLOADS[name] = Workload(name, group, n, meaning, make)
        ORDER.append(name)
        return make

    return enter


def prepare(name):
    """Return the run function of a workload; raises whatever its factory raised."""
    found = WORKLOADS[name]
    if found.run is None:
        try:
            found.run = found.make()
        except Exception:
            kind, error = sys.exc_info()[:2]
            text = " ".join(("%s" % (error,)).split())
            found.reason = "%s: %s" % (kind.__name__, text) if text else kind.__name__
            raise
    return found.run


def available():
    """Return why each workload cannot be run here, by name; empty for those that can."""
    reasons = {}
    for name in ORDER:
        try:
            prepare(name)
        except Exception:
            pass
        reasons[name] = WORKLOADS[name].reason
    return reasons


def expect(seen, known):
    """Raise unless a result is the known one."""
    if seen != known:
        raise WrongResult("gave %.80r instead of %.80r" % (seen, known))


def numbers(count, seed=2020):
    """Return numbers below 2**31 that look random and are the same everywhere."""
    found = []
    for _ in range(count):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        found.append(seed)
    return found


def checksum(text):
    """Return a small number for a text."""
    total = 0
    for letter in text:
        total = (total * 31 + ord(letter)) & 0xFFFFFFFF
    return total


def prose(words):
    """Return made-up ASCII text: compressible, but no mere repetition."""
    known = []
    for number in numbers(300, 7):
        known.append("".join("etaoinshrdlu"[number >> shift & 7] for shift in range(3, 6 + number % 19, 3)))
    return " ".join(known[(number >> 8) % 300] for number in numbers(words, 11))


def records(count):
    """Return what programs exchange: a dict of lists of dicts."""
    people = []
    for place, number in enumerate(numbers(count)):
        people.append(
            {
                "id": place,
                "name": "user%d" % (number % 1000),
                "tags": ["red", "green", "blue"][: 1 + place % 3],
                "score": place * 1.5,
                "active": place % 2 == 0,
                "parent": None,
                "note": "caf\u00e9 \u2603" if place % 5 == 0 else "plain text, \"quoted\"",
            }
        )
    return {"version": 3, "users": people}


def scratch():
    """Return a folder for files."""
    if SCRATCH is not None:
        import os

        # Of its own: two workers in one folder were seen to slow one of them down threefold.
        own = os.path.join(SCRATCH, "worker-%d" % os.getpid())
        if not os.path.isdir(own):
            os.mkdir(own)
        return own
    import atexit
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="pyassay-")
    atexit.register(shutil.rmtree, folder, True)
    return folder


# The unit ----------------------------------------------------------------------------------------------
# The mix of Dhrystone (R. P. Weicker, CACM 27, 1984), which pystone brought to Python: assignments, records
# that point to each other, enumerations, arrays of one and two dimensions, strings, calls with few arguments.
# Written anew from the published description; names and code are our own.

FIRST, SECOND, THIRD, FOURTH, FIFTH = range(1, 6)


class Entry(object):
    """A record of Dhrystone: a pointer, an enumeration, an integer, a string."""

    def __init__(self, following=None, kind=0, choice=0, number=0, text=""):
        self.following = following
        self.kind = kind
        self.choice = choice
        self.number = number
        self.text = text

    def duplicate(self):
        return Entry(self.following, self.kind, self.choice, self.number, self.text)


the_number = 0
the_flag = False
the_letter = ""
other_letter = ""
the_row = []
the_grid = []
the_head = None
the_next = None


def unit_start():
    global the_number, the_flag, the_letter, other_letter, the_row, the_grid, the_head, the_next
    the_number = 0
    the_flag = False
    the_letter = "\0"
    other_letter = "\0"
    the_row = [0] * 51
    the_grid = [[0] * 51 for _ in range(51)]
    the_grid[8][7] = 10
    the_next = Entry()
    the_head = Entry(the_next, FIRST, THIRD, 40, "DHRYSTONE PROGRAM, SOME STRING")


def unit_run(loops):
    global the_flag, the_head
    fixed = "DHRYSTONE PROGRAM, 1'ST STRING"
    for _ in range(loops):
        unit_set_letters()
        unit_set_flag()
        one = 2
        two = 3
        text = "DHRYSTONE PROGRAM, 2'ND STRING"
        choice = SECOND
        the_flag = not unit_follows(fixed, text)
        while one < two:
            three = 5 * one - two
            three = unit_add_two(one, two)
            one = one + 1
        unit_fill(the_row, the_grid, one, three)
        the_head = unit_records(the_head)
        letter = "A"
        while letter <= other_letter:
            if choice == unit_compare(letter, "C"):
                choice = unit_choose(FIRST)
            letter = chr(ord(letter) + 1)
        two = two * one
        one = two // three
        two = 7 * (two - three) - one
        one = unit_adjust(one)
    return one, two, three, choice


def unit_records(entry):
    following = entry.following = the_head.duplicate()
    entry.number = 5
    following.number = entry.number
    following.following = entry.following
    following.following = unit_point(following.following)
    if following.kind == FIRST:
        following.number = 6
        following.choice = unit_choose(entry.choice)
        following.following = the_head.following
        following.number = unit_add_two(following.number, 10)
    else:
        entry = following.duplicate()
    following.following = None
    return entry


def unit_adjust(number):
    sum_ = number + 10
    while True:
        if the_letter == "A":
            sum_ = sum_ - 1
            number = sum_ - the_number
            choice = FIRST
        if choice == FIRST:
            break
    return number


def unit_point(entry):
    global the_number
    if the_head is not None:
        entry = the_head.following
    else:
        the_number = 100
    the_head.number = unit_add_two(10, the_number)
    return entry


def unit_set_flag():
    global the_flag, other_letter
    flag = the_letter == "A"
    flag = flag or the_flag
    other_letter = "B"


def unit_set_letters():
    global the_letter, the_flag
    the_letter = "A"
    the_flag = False


def unit_choose(given):
    chosen = given
    if not unit_is_third(given):
        chosen = FOURTH
    if given == FIRST:
        chosen = FIRST
    elif given == SECOND:
        chosen = FIRST if the_number > 100 else FOURTH
    elif given == THIRD:
        chosen = SECOND
    elif given == FOURTH:
        pass
    elif given == FIFTH:
        chosen = THIRD
    return chosen


def unit_add_two(one, two):
    return two + (one + 2)


def unit_fill(row, grid, one, two):
    global the_number
    place = one + 5
    row[place] = two
    row[place + 1] = row[place]
    row[place + 30] = place
    for column in range(place, place + 2):
        grid[place][column] = place
    grid[place][place - 1] = grid[place][place - 1] + 1
    grid[place + 20][place] = row[place]
    the_number = 5


def unit_compare(one, two):
    first = one
    second = first
    if second != two:
        return FIRST
    return SECOND


def unit_follows(one, two):
    place = 1
    while place <= 1:
        if unit_compare(one[place], two[place + 1]) == FIRST:
            letter = "A"
            place = place + 1
    if "W" <= letter <= "Z":
        place = 7
    if letter == "X":
        return True
    if one > two:
        place = place + 7
        return True
    return False


def unit_is_third(given):
    chosen = given
    return chosen == THIRD


@workload("pystone-like", "unit", 5000, "the mix of Dhrystone as pystone runs it; speed in loops per second")
def _unit():
    unit_start()
    # What Dhrystone prints at its end, after a hundred loops.
    expect(unit_run(100), (5, 13, 7, SECOND))
    expect((the_number, the_flag, the_letter, other_letter), (5, True, "A", "B"))
    expect((the_row[8], the_grid[8][7], the_grid[28][8]), (7, 110, 7))
    expect((the_head.choice, the_head.number, the_head.following.choice), (THIRD, 17, SECOND))

    def run(n):
        unit_run(n)

    return run


# The language ------------------------------------------------------------------------------------------


@workload("calls", "core", 50, "functions that call functions: recursion, keywords, defaults, closures")
def _calls():
    def fibonacci(number):
        return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)

    def with_defaults(one, two=2, three=3):
        return one + two * three

    def with_any(*values, **named):
        return len(values) + len(named)

    def adder(step):
        def add(value):
            return value + step

        return add

    add_three = adder(3)

    def once():
        total = fibonacci(14)
        for number in range(400):
            total += with_defaults(number, three=number & 3)
            total += with_any(number, total, key=number)
            total = add_three(total)
        return total

    expect(once(), 83777)

    def run(n):
        for _ in range(n):
            once()

    return run


class Point(object):
    """Something with attributes, a property and an operator."""

    def __init__(self, x, y):
        self.x = x
        self.y = y

    @property
    def norm(self):
        return self.x * self.x + self.y * self.y

    def move(self, dx, dy):
        self.x += dx
        self.y -= dy
        return self

    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)


class PointInSpace(Point):
    """One with a base class to ask."""

    def __init__(self, x, y, z):
        super(PointInSpace, self).__init__(x, y)
        self.z = z


@workload("attributes", "core", 35, "objects: attributes, methods, properties, operators, inheritance")
def _attributes():
    def once():
        point = Point(1, 2)
        total = 0
        for number in range(250):
            point.move(number, 1)
            total += point.norm & 7
            other = PointInSpace(number, 2, 3)
            total += (point + other).x & 15
            if isinstance(other, Point):
                total += other.z
        return total

    expect(once(), 3400)

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("dicts", "core", 150, "dicts, sets and sorting, with keys of several kinds")
def _dicts():
    keys = numbers(120)

    def by_value(item):
        return -item[1]

    def once():
        table = {}
        for place, key in enumerate(keys):
            table[("k", key >> 16 & 63)] = place
            table[key] = place
        ordered = sorted(table.items(), key=by_value)
        odd = {value for _, value in ordered if value & 1}
        total = 0
        for key in keys:
            if key in table and table.get(key, 0) in odd:
                total += 1
            table.pop(key, None)
        return total, len(table), len(odd)

    expect(once(), (60, 55, 60))

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("strings", "core", 90, "text: formatting, joining, splitting, replacing, searching, beyond ASCII")
def _strings():
    def once():
        parts = ["%d-%s" % (number, "x" * (number & 3)) for number in range(60)]
        line = ",".join(parts)
        shouted = line.upper().replace("X", "yy").split(",")
        total = len(shouted)
        for number, part in enumerate(shouted):
            text = "{:>10}|{}|{:.3f}".format(number, part[:5], number * 1.5)
            if text.startswith(" ") and "7" in text:
                total += text.index("|")
            total += len(("\u00e9\u4e16" + part.strip("y")).encode("utf-8").decode("utf-8"))
        return total, line.count("x"), shouted[-1]

    expect(once(), (530, 90, "59-yyyyyy"))

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("bytes", "core", 160, "bytes, bytearrays, memory views: packing, slicing, searching, translating")
def _bytes():
    import binascii
    import struct

    layout = struct.Struct(str("<IHhq"))
    table = bytes(bytearray((value * 7 + 3) & 255 for value in range(256)))

    def once():
        data = bytearray()
        for number in range(80):
            data += layout.pack(number * 65537, number, -number, number << 40)
        total = 0
        view = memoryview(bytes(data))
        for start in range(0, len(data), 16):
            one, two, three, four = layout.unpack(view[start : start + 16].tobytes())
            total += one + two + three + (four >> 40)
        changed = bytes(data).translate(table)
        pieces = changed.split(b"\x03\x03\x03")
        text = binascii.hexlify(changed[16:256])
        return total, len(pieces), changed.find(b"\x0a\x03"), text[:8]

    expect(once(), (207100080, 85, 16, b"0a030a03"))

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("floats", "core", 65, "arithmetic with floats: an orbit, a matrix product")
def _floats():
    matrix = [[float((row * 7 + column * 3) % 11) for column in range(9)] for row in range(9)]
    columns = list(zip(*matrix))

    def once():
        x, v, step = 1.0, 0.0, 0.0078125
        for _ in range(800):
            r = x * x + 0.25
            v -= x / (r * r) * step
            x += v * step
        total = 0.0
        for row in matrix:
            for column in columns:
                total += sum([one * two for one, two in zip(row, column)])
        return round(x, 6), total

    expect(once(), (0.957548, 17969.0))

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("big integers", "core", 180, "integers of hundreds of digits: products, quotients, powers, text")
def _big_integers():
    one = 3 ** 1200
    two = 7 ** 900
    prime = 2 ** 127 - 1

    def once():
        product = one * two
        quotient, rest = divmod(product, two + 1)
        power = pow(3, quotient & ((1 << 120) - 1), prime)
        return (rest ^ power) % 1000003, int(str(one >> 700)) % 1009

    expect(once(), (964564, 167))

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("exceptions", "core", 50, "raising and catching, with finally and across calls")
def _exceptions():
    def deep(number):
        if number & 3 == 0:
            raise ValueError(number)
        return number

    def once():
        total = 0
        empty = {}
        for number in range(500):
            try:
                if number & 1:
                    empty["missing"]
                total += deep(number)
            except KeyError:
                total += 1
            except (TypeError, ValueError) as error:
                total += error.args[0] & 7
            finally:
                total += 2
        return total

    expect(once(), 32748)

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("generators", "core", 120, "generators, generator expressions and comprehensions")
def _generators():
    def count(limit):
        for number in range(limit):
            yield number

    def walk(depth):
        if depth:
            for item in walk(depth - 1):
                yield item
            yield depth
            for item in walk(depth - 1):
                yield item

    def once():
        total = sum(number * number for number in count(600) if number & 1)
        total += sum(walk(6))
        total += len([number for number in range(400) if number % 3])
        total += len({number: str(number) for number in range(100)})
        return total

    expect(once(), 36000386)

    def run(n):
        for _ in range(n):
            once()

    return run


# The standard library in C -----------------------------------------------------------------------------

TASKS = """
async def leaf(number):
    await asyncio.sleep(0)
    return number & 3

async def worker(queue, results):
    while True:
        number = await queue.get()
        if number is None:
            return
        results.append(await leaf(number))

async def main():
    queue = asyncio.Queue(8)
    results = []
    tasks = [asyncio.ensure_future(worker(queue, results)) for _ in range(4)]
    for number in range(40):
        await queue.put(number)
    for _ in tasks:
        await queue.put(None)
    await asyncio.gather(*tasks)
    return len(results), sum(results)
"""


@workload("asyncio", "c", 60, "tasks, a queue and the event loop; no network")
def _asyncio():
    import asyncio
    import atexit

    # 2.7 would not even parse it.
    names = {"asyncio": asyncio}
    exec(compile(TASKS, "<tasks>", "exec"), names)
    main = names["main"]
    loop = asyncio.new_event_loop()
    atexit.register(loop.close)
    expect(loop.run_until_complete(main()), (40, 60))

    def run(n):
        for _ in range(n):
            loop.run_until_complete(main())

    return run


@workload("regex", "c", 90, "the re module: groups, alternatives, classes, substitution")
def _regex():
    import re

    text = "the quick brown fox jumps over 13 lazy dogs at 10:45 on 2024-10-15, mail: a.b@example.org; " * 12
    pattern = re.compile("([0-9]{4})-([0-9]{2})-([0-9]{2})|([a-z.]+)@([a-z.]+)|\\b([a-z]+)s\\b")
    number = re.compile("[0-9]+")

    def once():
        found = pattern.findall(text)
        changed = number.sub("<\\g<0>>", text)
        return len(found), found[3][3], len(changed)

    expect(once(), (48, "a.b", 1236))

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("json", "c", 60, "the json module: a document of 60 records to text and back")
def _json():
    import json

    document = records(60)

    def once():
        return json.loads(json.dumps(document))

    expect(once(), document)
    expect(checksum(json.dumps(document, sort_keys=True)), 2910684980)

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("pickle", "c", 170, "the pickle module, protocol 4: a document of 60 records to bytes and back")
def _pickle():
    import pickle

    document = records(60)
    protocol = min(4, pickle.HIGHEST_PROTOCOL)

    def once():
        return pickle.loads(pickle.dumps(document, protocol))

    expect(once(), document)

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("datetime", "c", 23, "the datetime module: arithmetic, comparison, ISO text, strftime")
def _datetime():
    import datetime

    start = datetime.datetime(2024, 2, 28, 23, 59, 30, 5)
    steps = [
        datetime.timedelta(hours=number >> 8 & 31, seconds=number >> 16 & 1023) for number in numbers(100, 3)
    ]

    def once():
        moment = start
        total = 0
        for step in steps:
            later = moment + step
            if later.date() > moment.date():
                total += (later - start).days
            moment = later.replace(microsecond=step.seconds)
            text = moment.isoformat()
            total += len(text) + int(moment.strftime("%d%H")) + moment.weekday()
        return total, text

    expect(once(), (155506, "2024-05-05T21:33:12.080024"))

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("decimal", "c", 95, "the decimal module at 50 digits: division, square root, rounding, text")
def _decimal():
    import decimal

    context = decimal.Context(prec=50, rounding=decimal.ROUND_HALF_EVEN)
    cent = decimal.Decimal("0.01")
    rate = decimal.Decimal("1.37")

    def once():
        value = decimal.Decimal(2)
        total = decimal.Decimal(0)
        for number in range(60):
            share = context.divide(decimal.Decimal(number + 3), value)
            value = context.divide(context.add(value, share), rate)
            total = context.add(total, context.quantize(share, cent))
        return str(context.sqrt(value)), str(total)

    expect(once(), ("3.5855850482829355501271515456425725427360412433094", "206.53"))

    def run(n):
        for _ in range(n):
            once()

    return run


# Libraries that Python wraps ---------------------------------------------------------------------------


@workload("sqlite3", "library", 80, "SQLite in memory: insert 100 rows, two queries, delete")
def _sqlite3():
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.execute("create table things (id integer primary key, name text, size real)")
    rows = [(place, "thing %d" % (number % 1000), number / 7.0) for place, number in enumerate(numbers(100))]

    def once():
        connection.executemany("insert into things values (?, ?, ?)", rows)
        count, largest = connection.execute(
            "select count(*), max(size) from things where name like '%7%'"
        ).fetchone()
        names = connection.execute("select name from things order by name limit 10").fetchall()
        connection.execute("delete from things")
        connection.commit()
        return count, int(largest), names[0][0]

    expect(once(), (23, 284324782, "thing 112"))

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("hashing", "library", 130, "hashlib: SHA-256, SHA-512 and SHA-3 of 16 KiB, mostly OpenSSL's")
def _hashing():
    import hashlib

    data = prose(6000).encode("ascii")[:16384]
    sha3 = hashlib.sha3_256

    def once():
        return (
            hashlib.sha256(data).hexdigest()[:8],
            hashlib.sha512(data).hexdigest()[:8],
            sha3(data).hexdigest()[:8],
        )

    expect(once(), ("71925fc9", "149063cd", "fc83bd3d"))

    def run(n):
        for _ in range(n):
            once()

    return run


def compressed(compress, decompress):
    data = prose(12000).encode("ascii")[:32768]
    expect(len(data), 32768)

    def once():
        return decompress(compress(data))

    expect(once() == data, True)
    expect(len(compress(data)) * 2 < len(data), True)

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("zlib", "library", 6, "zlib: 32 KiB of text compressed at level 6 and back")
def _zlib():
    import zlib

    return compressed(lambda data: zlib.compress(data, 6), zlib.decompress)


@workload("bz2", "library", 3, "bzip2: 32 KiB of text compressed and back")
def _bz2():
    import bz2

    return compressed(bz2.compress, bz2.decompress)


@workload("lzma", "library", 3, "xz: 32 KiB of text compressed at preset 1 and back")
def _lzma():
    import lzma

    return compressed(lambda data: lzma.compress(data, preset=1), lzma.decompress)


@workload("ssl", "library", 220, "TLS 1.2 in memory: 16 KiB encrypted and decrypted; one handshake before")
def _ssl():
    import ssl

    ends = []
    pipes = [ssl.MemoryBIO(), ssl.MemoryBIO()]
    for server in (False, True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        if not server:
            context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.options |= getattr(ssl, "OP_NO_TLSv1_3", 0)
        # Without a certificate, which would have to be kept here and to stay valid.
        context.set_ciphers("AECDH-AES256-SHA:@SECLEVEL=0")
        ends.append(context.wrap_bio(pipes[server], pipes[not server], server_side=server))
    client, server = ends
    done = [False, False]
    for _ in range(10):
        for place, end in enumerate(ends):
            try:
                end.do_handshake()
                done[place] = True
            except ssl.SSLWantReadError:
                pass
    expect(done, [True, True])
    data = prose(6000).encode("ascii")[:16384]
    expect(len(data), 16384)

    def once():
        client.write(data)
        return server.read(16384)

    expect(once() == data, True)

    def run(n):
        for _ in range(n):
            once()

    return run


# The system --------------------------------------------------------------------------------------------


@workload("subprocess", "system", 20, "start a program that does nothing and wait (waiting is no CPU time)")
def _subprocess():
    import os
    import subprocess

    paths = [path for path in ("/bin/true", "/usr/bin/true") if os.access(path, os.X_OK)]
    if not paths:
        raise OSError("there is no /bin/true")

    def once():
        child = subprocess.Popen(paths[:1], stdout=subprocess.PIPE)
        return child.communicate()[0], child.returncode

    expect(once(), (b"", 0))

    def run(n):
        for _ in range(n):
            once()

    return run


@workload("files", "system", 100, "write a text file of 200 lines, read it line by line, remove it")
def _files():
    import io
    import os

    path = os.path.join(scratch(), "lines-%d" % os.getpid())
    lines = ["line %d: %s\n" % (place, number) for place, number in enumerate(numbers(200))]

    def once():
        with io.open(path, "w", encoding="utf-8") as file:
            for line in lines:
                file.write(line)
        total = 0
        with io.open(path, encoding="utf-8") as file:
            for line in file:
                total += len(line)
        size = os.stat(path).st_size
        os.remove(path)
        return total == size, size

    expect(once(), (True, 4000))

    def run(n):
        for _ in range(n):
            once()

    return run


MODULE = """
'One of the modules of a made-up package.'
import sys
from os import path

CONSTANTS = {%s}
NAMES = frozenset(CONSTANTS)


class Base(object):
    'A class.'

    kind = %d

    def __init__(self, value=None):
        self.value = value

    def double(self):
        return self.value * 2


class Derived(Base):
    def double(self):
        return Base.double(self) + self.kind


def first(one, two=2, *rest):
    'A function.'
    return one + two + len(rest)


def second(**named):
    return sorted(named)


RESULT = first(Derived(%d).double(), *range(3))
"""


@workload("import", "system", 6, "import a package of 12 modules whose bytecode is there, from a folder")
def _import():
    import importlib
    import os
    import py_compile
    import tempfile

    package = str("pyassay_made_up")
    parent = tempfile.mkdtemp(prefix="imports-", dir=scratch())
    folder = os.path.join(parent, package)
    os.makedirs(folder)
    sources = {"__init__": "".join("from . import part%d\n" % place for place in range(11))}
    for place in range(11):
        constants = ", ".join("'name%d': %d" % (number % 9973, number) for number in numbers(40, place))
        sources["part%d" % place] = MODULE % (constants, place, place)
    for name, source in sources.items():
        path = os.path.join(folder, name + ".py")
        with open(path, "wb") as file:
            file.write(source.encode("ascii"))
        py_compile.compile(path, doraise=True)
    names = [package] + ["%s.part%d" % (package, place) for place in range(11)]

    def once():
        sys.path.insert(0, parent)
        try:
            importlib.import_module(package)
            result = sum(sys.modules[name].RESULT for name in names[1:])
        finally:
            sys.path.remove(parent)
            for name in names:
                # Its functions hold its names and its names the functions: else garbage would pile up.
                vars(sys.modules.pop(name)).clear()
        return result

    expect(once(), 187)

    def run(n):
        for _ in range(n):
            once()

    return run


# Starting ----------------------------------------------------------------------------------------------

COMMAND_LINE = """
import argparse
import sys

parser = argparse.ArgumentParser(prog='tool', description='A command line of the usual size.')
parser.add_argument('--version', action='version', version='1.0')
parser.add_argument('-v', '--verbose', action='count', default=0, help='say more')
commands = parser.add_subparsers(dest='command', title='commands')
for name in ('build', 'check', 'clean', 'list', 'publish', 'run'):
    command = commands.add_parser(name, help='the command ' + name)
    command.add_argument('path', nargs='*', help='what it is done to')
    command.add_argument('-o', '--output', metavar='FILE', help='where the result goes')
    command.add_argument('--level', type=int, choices=range(10), default=6, help='how hard to try')
    command.add_argument('--dry-run', action='store_true', help='only say what would be done')
parser.parse_args()
"""

COMMON_IMPORTS = (
    "import argparse, collections, contextlib, datetime, functools, itertools, json, logging, os, re, "
    "shutil, subprocess, sys, tempfile, threading"
)

SPAWNS = {
    "start: -I -S -c pass": ["-I", "-S", "-c", "pass"],
    "start: -c pass": ["-c", "pass"],
    "start: a command line with --help": ["-c", COMMAND_LINE, "--help"],
    "start: common imports": ["-c", COMMON_IMPORTS],
}
"""Arguments of whole processes, by name: what starting costs. Their output is to be thrown away."""
