"""A virtual environment in the scratch folder."""


def new_environment(name, *options):
    """Make one without pip; return how that ended, and the path of its python."""
    if sys.version_info < (3, 3):
        raise NotApplicable("the venv module came with 3.3")
    made = python("-I", "-m", "venv", "--without-pip", *(options + (name,)), timeout=20)
    return made, os.path.join(SCRATCH, name, "bin", "python")
