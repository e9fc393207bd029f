#!/usr/bin/env bash
# set_up.sh FOLDER: install into FOLDER what compare.py measures Headrace against.
#
#   tri/           a Python environment with Triton's server and its client
#   tb/            Triton's Python backend, laid out as the server looks for it
#   perf_analyzer  Triton's own load generator, for who wants a third one; left out where it cannot run
#
# PYTHON=python3.x names the interpreter. What is there already is kept: a second run takes a second.
set -euo pipefail

case "${1:---help}" in -*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit ;; esac
FOLDER=$(realpath -m "$1")
PYTHON=${PYTHON:-python3}

for tool in wrk h2load; do
  command -v "$tool" >/dev/null || { echo "$tool is needed: apt-get install wrk nghttp2-client" >&2; exit 1; }
done
mkdir -p "$FOLDER"
cd "$FOLDER"

if [ ! -e tri/.ready ]; then
  echo "installing Triton"
  rm -rf tri
  "$PYTHON" -m venv tri
  tri/bin/pip -q install nvidia-pytriton==0.7.0 "tritonclient[all]==2.73.0" numpy
  touch tri/.ready
fi

if [ ! -x tb/python/triton_python_backend_stub ]; then
  echo "laying out the Python backend"
  server=$(echo "$FOLDER"/tri/lib/python3.*/site-packages/pytriton/tritonserver)
  # The stub embeds an interpreter, and has to be of the version that the environment has.
  stub=$server/python_backend_stubs/$(tri/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  [ -d "$stub" ] || { echo "no stub for this Python; there are $(ls "$server/python_backend_stubs" | xargs)" >&2; exit 1; }
  mkdir -p tb/python
  cp -rL "$server/backends/python/." tb/python/
  install -m 755 "$stub/triton_python_backend_stub" tb/python/
fi

unpack_perf_analyzer() {
  mkdir -p pk &&
    tri/bin/pip -q download --no-deps --only-binary=:all: --python-version 312 \
      --platform manylinux_2_38_x86_64 --dest pk perf-analyzer==2.60.0 &&
    tri/bin/python -m zipfile -e pk/perf_analyzer-*.whl pk/pa &&
    chmod +x pk/pa/perf_analyzer/bin/perf_analyzer
}

# The program wants glibc 2.38. An older Debian has a mirror at hand from which a newer one can be
# unpacked beside its own, without installing it.
unpack_newer_libc() {
  local mirror options
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    awk '/\/debian\/$/ && !found { found = 1; print }') && [ -n "$mirror" ] || return
  mkdir -p trixie/state/lists/partial trixie/cache/archives/partial
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >trixie/sources.list
  options=(-qq -o "Dir::Etc::sourcelist=$FOLDER/trixie/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::Lists=$FOLDER/trixie/state/lists" -o "Dir::Cache=$FOLDER/trixie/cache" -o APT::Sandbox::User=)
  apt-get "${options[@]}" update &&
    (cd trixie && apt-get "${options[@]}" download libc6 libstdc++6 libgcc-s1 zlib1g libssl3t64 libzstd1 &&
      for package in *.deb; do dpkg -x "$package" root || exit; done)
}

write_launcher() {
  local run='exec' libraries=$FOLDER/trixie/root/usr/lib/x86_64-linux-gnu
  [ ! -d trixie/root ] || run="exec '$libraries/ld-linux-x86-64.so.2' --library-path '$libraries:/lib/x86_64-linux-gnu'"
  printf '#!/bin/sh\n%s %s "$@"\n' "$run" "'$FOLDER/pk/pa/perf_analyzer/bin/perf_analyzer'" >perf_analyzer.new
  chmod +x perf_analyzer.new && ./perf_analyzer.new --version &>/dev/null && mv perf_analyzer.new perf_analyzer
}

if [ ! -x perf_analyzer ]; then
  echo "unpacking perf_analyzer"
  libc=$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)
  newest=$(printf '%s\n' "$libc" 2.38 | sort -V | tail -1)
  { unpack_perf_analyzer && { [ "$newest" = "$libc" ] || unpack_newer_libc; } && write_launcher; } ||
    echo "perf_analyzer is left out: it does not run here; compare.py does not need it"
fi
echo "ready: compare.py $FOLDER"
