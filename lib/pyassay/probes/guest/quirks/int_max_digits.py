def observe():
    code = "import sys; print(sys.get_int_max_str_digits() if hasattr(sys, 'get_int_max_str_digits') else -1)"
    asked = python("-B", "-c", code, env={"PYTHONINTMAXSTRDIGITS": None})
    digits = int(asked.out)
    if digits <= 0:
        return "unlimited", "no limit to the digits of an int made from text"
    return "limited", "%d digits" % digits
