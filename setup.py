"""The extension modules; all else is in pyproject.toml."""

import os
import sys
import sysconfig

from Cython.Build import cythonize
from setuptools import Extension, setup

PLATFORM = sysconfig.get_platform()  # for which is compiled, which need not be this machine's: "macosx-11.0-arm64"
GCC_LIKE = not PLATFORM.startswith("win")  # gcc or clang, otherwise Microsoft's compiler
X86 = PLATFORM.endswith("x86_64")  # alone: a "universal2" of macOS is for two processors at once
# Sums may be reordered, so that they vectorise; NaN and infinity keep their meaning, which -ffast-math would take away.
FAST = ["-O3", "-fno-math-errno", "-fassociative-math", "-fno-signed-zeros", "-fno-trapping-math", "-ffp-contract=fast"]
FAST.append("-DFASTSGD_REORDERED")  # logistic.h has a sum whose order counts
ISA = {"base": []} | ({"v3": ["-march=x86-64-v3"]} if GCC_LIKE and X86 else {})


def extension(name, *flags, language="c"):
    """The module of that name, from the .pyx of that name."""
    if GCC_LIKE:  # -Wno-psabi, as vectors are passed to no function of another file
        args = [*flags, "-g0", "-Wno-unused-function", "-Wno-psabi", *(["-std=c++17"] if language == "c++" else [])]
    else:  # Microsoft's C has `restrict` only where a standard is named
        args = ["/O2", "/std:c++17" if language == "c++" else "/std:c11"]
    return Extension(
        name,
        [f"src/{name.replace('.', '/')}.pyx"],
        extra_compile_args=args,
        depends=[
            f"src/fastsgd/{name}.h"
            for name in (
                *(f"_kernels/{part}" for part in ("lanes", "paying", "models", "adagrad", "auto", "together")),
                "logistic",
                "sources/decimal",
                "sources/rank",
            )
        ],
        language=language,
    )


EXTENSIONS = [
    extension("fastsgd.losses", "-O3"),
    extension("fastsgd.schedules", "-O3"),
    extension("fastsgd.sources._check", *FAST),
    extension("fastsgd.sources._order", "-O3"),
    extension("fastsgd.sources._rows", "-O3"),
    extension("fastsgd.sources._scale", "-O3"),
    extension("fastsgd.sources._tokens", "-O3"),
    extension("fastsgd.sources._words", "-O3"),
    extension("fastsgd.sources._svmlight", "-O3", language="c++"),
    extension("fastsgd._kernels._cpu"),
    extension("fastsgd._kernels.plan"),
    *(extension(f"fastsgd._kernels.{isa}", *FAST, *flags) for isa, flags in ISA.items()),
    *(extension(f"fastsgd._kernels.solve_{isa}", *FAST, *flags) for isa, flags in ISA.items()),
]
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "freethreading_compatible": True,
}
COMPILES = not {"sdist", "egg_info", "dist_info"} & set(sys.argv)  # these only ask which sources there are
# Where processes are not forked, those that Cython would start would run this file again.
PROCESSES = os.cpu_count() if sys.platform == "linux" else 0


def in_c(extensions):
    return cythonize(extensions, compiler_directives=DIRECTIVES, include_path=["src"], nthreads=PROCESSES)


setup(ext_modules=in_c(EXTENSIONS) if COMPILES else EXTENSIONS, options={"build_ext": {"parallel": True}})
