def observe():
    try:
        import sqlite3
    except ImportError as error:
        raise NotMeasured("sqlite3: %s" % error)
    base = sqlite3.connect(":memory:")
    works, fails = [], {}
    tables = ["fts3", "fts4", "fts5", "rtree", "geopoly"]
    for name in tables:
        columns = "(a, b, c)" if name != "geopoly" else "(a)"
        try:
            base.execute("create virtual table t_%s using %s%s" % (name, name, columns))
        except sqlite3.Error as error:
            fails[name] = str(error)
        else:
            works.append(name)
    try:
        base.execute("select json_extract('[1]', '$[0]')").fetchone()
        works.append("json")
    except sqlite3.Error as error:
        fails["json"] = str(error)
    if hasattr(base, "enable_load_extension"):
        works.append("load_extension")
    else:
        fails["load_extension"] = "Connection has no enable_load_extension"
    options = [row[0] for row in base.execute("pragma compile_options")]
    threads = [option for option in options if option.startswith("THREADSAFE")]
    base.close()
    details = {"version": sqlite3.sqlite_version, "works": works, "fails": fails, "options": sorted(options)}
    seen = "SQLite %s, %s; without %s" % (
        sqlite3.sqlite_version,
        threads[0] if threads else "thread safety not told",
        ", ".join(sorted(fails)) or "nothing",
    )
    if "THREADSAFE=0" in threads or set(fails) & {"fts4", "fts5", "json", "rtree"}:
        return "few", seen, details
    if "load_extension" in fails:
        return "no extensions", seen, details
    return "most" if fails else "all", seen, details
