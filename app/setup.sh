# Shared by app/run.sh and tests/run.sh (source it from the repository root): installs what is
# missing and builds into build/.

PACKAGES=(build-essential cmake ninja-build ccache pkg-config
  libimgui-dev libstb-dev libglfw3-dev libgl-dev libgl1-mesa-dri
  nlohmann-json3-dev catch2 libpcre2-dev libutf8proc-dev
  libfontconfig-dev fonts-inter fonts-jetbrains-mono fonts-dejavu-core
  python3 python3-pip xvfb xauth xdotool clang-format)
TORCH=2.11.0
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/polykv-studio"

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

install_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "Not a Debian system: nothing is installed; these Debian packages are needed by name or" \
        "likeness: ${PACKAGES[*]}"
    return
  fi
  local installed missing=() package
  # dpkg-query fails when it does not know one of them.
  installed=$(dpkg-query -W -f='${db:Status-Status}:${Package}\n' "${PACKAGES[@]}" 2>/dev/null || true)
  installed=" $(sed -n 's/^installed://p' <<<"$installed" | tr '\n' ' ') "
  for package in "${PACKAGES[@]}"; do
    [[ $installed == *" $package "* ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      die "packages are missing and there is no sudo; as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "Installing Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq || die "apt-get update failed; is the network up?"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
    die "apt-get could not install: ${missing[*]}"
}

# Prints the name of a Python 3 that has pip.
python_with_pip() {
  local python
  for python in /usr/bin/python3 python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then echo "$python"; return; fi
  done
  die "no Python 3 with pip was found; apt-get install python3-pip"
}

# pip_folder FOLDER PACKAGE..: installs wheels into a folder of their own, all or nothing.
pip_folder() {
  local folder=$1 python part quiet=()
  shift
  [[ -t 2 ]] || quiet=(--quiet)
  python=$(python_with_pip)
  mkdir -p "$(dirname "$folder")"
  part=$(mktemp -d "$folder.part.XXXXXX")
  chmod 755 "$part"
  if ! "$python" -m pip install "${quiet[@]}" --disable-pip-version-check --no-cache-dir \
         --root-user-action=ignore --target "$part" "$@" >&2; then
    rm -rf "$part"
    die "pip could not install $*; check the network and the free space of $(dirname "$folder")"
  fi
  # Another run may have been faster; then its folder stays.
  mv -T "$part" "$folder" 2>/dev/null || rm -rf "$part"
  [[ -d $folder ]] || die "$folder could not be made; check its permissions"
}

# Sets LIBTORCH to the wheel's LibTorch unless the caller brought one.
install_torch() {
  if [[ -n ${LIBTORCH:-} || -n ${CMAKE_PREFIX_PATH:-} ]]; then
    say "Using the LibTorch of LIBTORCH=${LIBTORCH:-} CMAKE_PREFIX_PATH=${CMAKE_PREFIX_PATH:-}"
    return
  fi
  local folder="$CACHE/torch-$TORCH" only=(--no-deps) size="530 MB to fetch, 1.3 GB on disk"
  if nvidia-smi >/dev/null 2>&1; then  # with a GPU its CUDA libraries are needed too
    folder+=-cuda only=() size="about 3 GB to fetch, 5 GB on disk"
  fi
  if [[ ! -d $folder ]]; then
    say "Fetching LibTorch $TORCH from its wheel into $folder ($size)"
    pip_folder "$folder" "${only[@]}" "torch==$TORCH" nvidia-cuda-runtime==13.0.96 \
      nvidia-cuda-cupti==13.0.85
  fi
  export LIBTORCH="$folder/torch"
}

# configure FOLDER CMAKE-ARGUMENT..: skipped when the folder was configured the same way before
# (ninja itself notices changed CMakeLists.txt and new files).
configure() {
  local folder=$1 stamp
  shift
  stamp="LIBTORCH=${LIBTORCH:-} CMAKE_PREFIX_PATH=${CMAKE_PREFIX_PATH:-} CXX=${CXX:-} $*"
  [[ -f $folder/build.ninja && $(cat "$folder/.configured" 2>/dev/null) == "$stamp" ]] && return
  say "Configuring $folder"
  rm -f "$folder/.configured"
  cmake -S . -B "$folder" -G Ninja -U 'TORCH_*' -DLIBTORCH="${LIBTORCH:-}" "$@" >&2 ||
    die "CMake could not configure $folder; if the clone was moved, delete $folder and try again"
  printf '%s' "$stamp" >"$folder/.configured"
}

# build FOLDER TARGET..
build() {
  local folder=$1
  shift
  cmake --build "$folder" --target "$@" >&2 || die "the build failed; the messages above say where"
}
