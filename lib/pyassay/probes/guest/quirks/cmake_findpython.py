# with: lending

PROJECT = """
cmake_minimum_required(VERSION 3.18...4.0)
project(tiny LANGUAGES C)
set(Python3_ROOT_DIR "${PREFIX}")
set(Python3_FIND_STRATEGY LOCATION)
function(look component)
  find_package(Python3 QUIET COMPONENTS Interpreter ${component})
  message(STATUS "${component} FOUND=${Python3_${component}_FOUND}")
  message(STATUS "${component} INCLUDES=${Python3_INCLUDE_DIRS}")
  message(STATUS "${component} LIBRARIES=${Python3_LIBRARIES}")
endfunction()
look(Development.Module)
look(Development.Embed)
"""


def observe():
    if sys.version_info[0] < 3:
        raise NotApplicable("FindPython3 is for Python 3")
    compiler, cmake, make = need("cc", "gcc", "clang"), tool("cmake"), tool("ninja", "make")
    told = run([cmake, "--version"])
    version = re.search(r"version (\d+)\.(\d+)", told.out)
    if not version or (int(version.group(1)), int(version.group(2))) < (3, 18):
        raise NotMeasured(
            "Development.Module wants CMake 3.18, here is: %s" % (told.out.splitlines() or [told.said])[0]
        )
    write("source/CMakeLists.txt", PROJECT)
    generator = "Ninja" if os.path.basename(make) == "ninja" else "Unix Makefiles"
    arguments = ["-S", "source", "-B", "build", "-G", generator, "-DCMAKE_MAKE_PROGRAM=" + make]
    # What is asked is where Python is found, not whether the compiler works.
    arguments += ["-DCMAKE_C_COMPILER=" + compiler, "-DCMAKE_C_COMPILER_FORCED=ON"]
    arguments += ["-DPREFIX=" + BASE_PREFIX, "-DPython3_EXECUTABLE=" + EXECUTABLE]
    ended = run([cmake] + arguments, timeout=40)
    details, found, own = {"cmake": version.group(0)}, [], os.path.realpath(BASE_PREFIX)
    for wanted in ("Development.Module", "Development.Embed"):
        values = dict(re.findall(r"-- %s (FOUND|INCLUDES|LIBRARIES)=(.*)" % re.escape(wanted), ended.out))
        if not values:
            raise NotMeasured("cmake: %s" % ended.said)
        details[wanted] = values
        # The headers of another installation are not this interpreter's.
        if values["FOUND"].upper() == "TRUE" and os.path.realpath(values["INCLUDES"]).startswith(own):
            found.append(wanted)
    if len(found) == 2:
        return "both", "headers %s, library %s" % (values["INCLUDES"], values["LIBRARIES"]), details
    if found:
        return "module" if found[0].endswith("Module") else "embed", "found: %s only" % found[0], details
    return "neither", "headers: %s" % (values["INCLUDES"] or "none"), details
