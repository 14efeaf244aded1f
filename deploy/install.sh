#!/bin/sh
# Installs a released gpt-load for the current user, or system-wide as root. Nothing is installed whose
# checksum does not match SHA256SUMS.
#
#   GPT_LOAD_URL=URL sh install.sh     URL: the folder of the release's files
#   PREFIX=/opt sh install.sh          into /opt/bin instead of /usr/local/bin or ~/.local/bin
set -eu

# A release writes these two into its copy.
BASE_URL=${GPT_LOAD_URL:-}
VERSION=${GPT_LOAD_VERSION:-}

say() { printf 'gpt-load: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

download() { # URL FILE
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --retry 3 --output "$2" "$1"
  elif command -v wget >/dev/null; then
    wget --quiet --output-document="$2" "$1"
  else
    die 'curl or wget is required'
  fi || die "could not download $1"
}

sum() { # FILE
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi |
    cut -d ' ' -f 1
}

main() {
  [ -n "$BASE_URL" ] || die 'GPT_LOAD_URL must be the URL of the folder with the files of a release'
  [ -n "$VERSION" ] || die 'GPT_LOAD_VERSION must be the version of the release'
  case $(uname -s) in
    Linux) system=linux ;;
    Darwin) system=darwin ;;
    *) die "there is no release for $(uname -s); on Windows, download the zip" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) processor=amd64 ;;
    aarch64 | arm64) processor=arm64 ;;
    *) die "there is no release for $(uname -m)" ;;
  esac
  if [ "$system" = linux ] && ldd --version 2>&1 | grep -qi musl; then
    die 'requires glibc 2.28 or newer; this system has musl'
  fi
  if [ -z "${PREFIX:-}" ]; then
    if [ "$(id -u)" = 0 ]; then PREFIX=/usr/local; else PREFIX=$HOME/.local; fi
  fi

  name=gpt-load-$VERSION-$system-$processor
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  trap 'exit 1' HUP INT TERM
  download "$BASE_URL/SHA256SUMS" "$folder/SHA256SUMS"
  download "$BASE_URL/$name.tar.xz" "$folder/$name.tar.xz"
  expected=$(awk -v file="$name.tar.xz" '$2 == file { print $1 }' "$folder/SHA256SUMS")
  [ -n "$expected" ] || die "SHA256SUMS does not name $name.tar.xz; nothing was installed"
  [ "$(sum "$folder/$name.tar.xz")" = "$expected" ] ||
    die "$name.tar.xz does not match SHA256SUMS; nothing was installed"

  tar -xJf "$folder/$name.tar.xz" -C "$folder" || die 'could not unpack (is xz installed?)'
  mkdir -p "$PREFIX/bin"
  # By way of another name: an executable that runs cannot be written to.
  install -m 755 "$folder/$name/gpt-load" "$PREFIX/bin/.gpt-load.new"
  mv "$PREFIX/bin/.gpt-load.new" "$PREFIX/bin/gpt-load"
  say "installed $("$PREFIX/bin/gpt-load" version) as $PREFIX/bin/gpt-load"
  case ":$PATH:" in
    *":$PREFIX/bin:"*) ;;
    *) say "$PREFIX/bin is not on your PATH yet" ;;
  esac
  say 'next: put your keys into keys.txt, one per line, and run gpt-load there; or try gpt-load demo'
}

main
