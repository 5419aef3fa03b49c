# Sourced by run and test: makes the virtual environments of this checkout. For any POSIX shell.
#
# A virtual environment NAME is ready when NAME/ready is there and as old as the pyproject.toml that it was made from.
# It is written last, so a set-up that was interrupted is seen, and done again from the start. NAME/checkout points to
# where it was made: Python writes that path into its files, so a checkout that was moved is set up anew.
# shellcheck disable=SC3013 # -ef, -nt and -ot are in no standard before POSIX 2024, but in dash, bash, busybox and zsh

# is_ready ROOT NAME: ask, with built-in commands alone, and without a variable: run must not change the environment.
is_ready() {
    [ -f "$1/$2/ready" ] && [ -x "$1/$2/bin/python" ] && [ "$1" -ef "$1/$2/checkout" ] &&
        ! [ "$1/pyproject.toml" -nt "$1/$2/ready" ] && ! [ "$1/pyproject.toml" -ot "$1/$2/ready" ]
}

# set_up ROOT COMMAND: get ready for install_into, for the sake of COMMAND (scripts/run, scripts/test); where that
# cannot be done, say what is missing. In a subshell only: it changes folder, descriptors and environment.
set_up() {
    # Whichever of 0, 1 and 2 the caller closed: pip and apt-get are not made for that.
    true >&2 || exec 2>/dev/null
    exec </dev/null >&2
    cd -- "$1" || return
    root=$(pwd -P)
    PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin # an empty environment; dpkg wants sbin
    export PATH
    unset PYTHONHOME PYTHONPATH PYTHONPLATLIBDIR PYTHONPYCACHEPREFIX PYTHONDONTWRITEBYTECODE PYTHONOPTIMIZE \
        PYTHONWARNINGS PYTHONDEVMODE PYTHONINSPECT PYTHONVERBOSE
    umask 022
    if ! { mkdir -p .venv && true >>.venv/lock; } 2>/dev/null; then
        say "this checkout is not set up yet, and $root/.venv cannot be written." \
            "Run $root/$2 once as a user who may write there, or copy the checkout."
        return 1
    fi
    find_python
    exec 9>>.venv/lock
    take_lock && provide_system "$2"
}

# install_into NAME REQUIREMENT: make NAME, and install REQUIREMENT (`.`, `.[extra]`) into it as an editable one.
install_into() {
    if is_ready "$root" "$1"; then
        return # another set-up was faster
    fi
    if [ -x "$1/bin/python" ] && [ "$root" -ef "$1/checkout" ] && cmp -s pyproject.toml "$1/ready"; then
        touch -r pyproject.toml "$1/ready" # written again, with the same words
        return
    fi
    say "setting up $1, this once"
    if [ -f "$1/ready" ] && [ -x "$1/bin/python" ] && [ "$root" -ef "$1/checkout" ]; then
        rm -f -- "$1/ready"
    else
        make_empty "$1" || return
    fi
    pip_install "$1" -e "$2" || return
    # Python before 3.12 puts it into each environment, and its .pth file takes 0.9 ms of each start (a start: 14).
    quietly "$1/bin/python" -I -m pip uninstall --quiet --yes --disable-pip-version-check setuptools || return
    # What is on the way to the backend once more, in few files: half the time of finding it.
    quietly "$1/bin/python" -I scripts/straight.d/straight.py pdwrap/straight --checked || return
    # Compiled now, whatever the environment says: -B or PYTHONDONTWRITEBYTECODE would make every start slow.
    quietly "$1/bin/python" -I -m compileall -q pdwrap || return
    cp -- pyproject.toml "$1/new" && touch -r pyproject.toml "$1/new" && mv -f -- "$1/new" "$1/ready"
}

# make_empty NAME: a new virtual environment, in place of whatever is there.
make_empty() {
    # All but the lock: others are waiting at it.
    mkdir -p "$1" && find "$1" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf -- {} + &&
        quietly "$python" -I -m venv "$1" && ln -s -- "$root" "$1/checkout" && echo '*' >"$1/.gitignore"
}

# pip_install NAME ARGUMENT...: once more if it fails: networks do.
pip_install() {
    venv=$1
    shift
    set -- "$venv/bin/python" -I -m pip install --quiet --compile --no-input --disable-pip-version-check "$@"
    attempt "$@" || quietly "$@"
}

# has_npm NAME: NAME/npm holds what tests/field/package.json lists.
has_npm() {
    cmp -s tests/field/package.json "$1/npm/ready"
}

# install_npm NAME: make it so. NAME/npm/ready is written last.
install_npm() {
    has_npm "$1" && return
    say "setting up $1/npm, this once"
    rm -rf -- "$1/npm"
    mkdir "$1/npm" && cp tests/field/package.json "$1/npm/package.json" || return
    set -- "$1" npm --prefix "$1/npm" install --no-audit --no-fund --no-package-lock --loglevel=error
    venv=$1
    shift
    attempt "$@" || quietly "$@" || return
    cp tests/field/package.json "$venv/npm/ready"
}

# has_debian NAME: NAME/debian.tar is Debian's smallest root, for images that the tests make. Only root can make it.
has_debian() {
    [ -f "$1/debian.tar" ] || [ "$(id -u)" != 0 ]
}

# install_debian NAME: make it so. What an image of it has no use for is left out, as in Debian's own `slim` one.
install_debian() {
    has_debian "$1" && return
    say "setting up $1/debian.tar, this once"
    rm -rf -- "$1/debian"
    set -- "$1" debootstrap --variant=minbase bookworm "$1/debian"
    venv=$1
    shift
    attempt "$@" || { rm -rf -- "$venv/debian" && quietly "$@"; } || return
    tar -C "$venv/debian" --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' \
        --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' -cf "$venv/debian.new" . &&
        rm -rf -- "$venv/debian" && mv -- "$venv/debian.new" "$venv/debian.tar"
}

# provide_system COMMAND: what pip cannot bring. As root on Debian it is installed; elsewhere it is asked for.
provide_system() {
    list_missing "$1"
    if [ -n "$packages" ] && [ "$(id -u)" = 0 ] && is_debian; then
        say "installing $packages"
        # Package lists may be missing (an image) or old; fetched only where it does not go without.
        # shellcheck disable=SC2086 # a list of words
        attempt apt_get install $packages || { quietly apt_get update && quietly apt_get install $packages; } || return
        hash -r
        find_python
        list_missing "$1"
    fi
    [ -n "$missing" ] || return 0
    say "$1 needs what this system does not have:$missing"
    if [ -z "$packages" ]; then
        :
    elif is_debian; then
        printf '%s\n' "To install it, as root:" "  apt-get update && apt-get install $packages"
    else
        printf '%s\n' "Debian's packages for it, which other systems name alike:" "  $packages"
    fi
    return 1
}

is_debian() {
    [ -f /etc/debian_version ] && command -v apt-get >/dev/null
}

# list_missing COMMAND: set $missing, for people, and $packages, for apt-get.
list_missing() {
    missing=
    packages=
    if [ -z "$python" ]; then
        need "Python 3.10 or newer" python3 python3-venv
    elif ! can_make_venv "$python"; then
        need "venv and ensurepip for $python" "$(python_package venv)"
    fi
    case "$1" in
    "scripts/test"* | scripts/build-standalone)
        # Others have no static library of Python's in a package: there the one file is not built.
        [ -f /usr/lib/python3.11/config-3.11-"$(uname -m)"-linux-gnu/libpython3.11.a ] ||
            need "Debian 12's static library of Python 3.11" python3.11 libpython3.11-dev gcc libc6-dev
        ;;
    esac
    case "$1" in
    scripts/kernels)
        has_program qemu-system-x86_64 qemu-system-x86
        has_program qemu-system-aarch64 qemu-system-arm
        has_program aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu libc6-dev-arm64-cross
        ;;
    scripts/pythons) has_program debootstrap debootstrap ;;
    scripts/release)
        has_program dpkg-deb dpkg
        has_program lintian lintian
        has_program debootstrap debootstrap
        ;;
    esac
    case "$1" in
    "scripts/test"*) ;;
    *) return 0 ;;
    esac
    has_header sys/capability.h || need "a C compiler, and libcap's headers, to build python-prctl" gcc libc6-dev libcap-dev
    has_header Python.h || need "the C headers of ${python:-Python}" "$(python_package dev)"
    has_program less less
    has_program tmux tmux
    has_program ps procps
    has_program setpriv util-linux
    has_program expect expect
    has_program zsh zsh
    has_program fish fish
    has_program mandoc mandoc
    has_program mksh mksh
    has_static busybox || need "the program busybox, without shared libraries" busybox-static
    has_program sudo sudo
    has_program strace strace
    has_program bwrap bubblewrap
    has_program chronic moreutils
    has_program time time
    has_program dbus-run-session dbus-daemon
    has_program tini tini
    has_program dumb-init dumb-init
    has_program catatonit catatonit
    has_program make make
    has_program ninja ninja-build
    has_program parallel parallel
    has_program script bsdutils
    has_program runuser util-linux
    case "$1" in
    *" --field") ;;
    *) return 0 ;;
    esac
    has_program go golang-go
    has_program node nodejs
    has_program npm npm
    has_program javac openjdk-17-jdk-headless
    has_program rustc rustc
    has_program sshd openssh-server
    has_program ssh openssh-client
    has_program Xvfb xvfb
    has_program xauth xauth
    has_program nginx nginx-light
    has_program redis-server redis-server
    has_program shellcheck shellcheck
    has_program systemd-analyze systemd
    has_program podman podman
    has_program runc runc
    has_program podman-compose podman-compose
    has_program debootstrap debootstrap
    set -- /usr/lib/postgresql/*/bin/postgres
    [ -x "$1" ] || need "PostgreSQL's server" postgresql
}

# need WHAT PACKAGE...
need() {
    missing="$missing
  - $1"
    shift
    packages="${packages:+$packages }$*"
}

# has_program NAME PACKAGE...
has_program() {
    command -v "$1" >/dev/null && return
    program=$1
    shift
    need "the program $program" "$@"
}

# has_static NAME: it runs in an image that holds nothing else.
has_static() {
    command -v "$1" >/dev/null && ! ldd "$(command -v "$1")" >/dev/null 2>&1
}

has_header() {
    printf '#include <%s>\n' "$1" |
        cc ${python:+"-I$("$python" -I -c 'import sysconfig; print(sysconfig.get_paths()["include"])' 9>&-)"} \
            -E -o /dev/null - 2>/dev/null 9>&-
}

# python_package venv|dev: the package that completes $python. One of its own making cannot be completed, so then it is
# Debian's Python that is asked for.
python_package() {
    case $python in
    "$(readlink -f /usr/bin/python3)") echo "python3-$1" ;;
    /usr/bin/python3.*) echo "${python##*/}-$1" ;;
    *) echo "python3 python3-$1" ;;
    esac
}

can_make_venv() {
    "$1" -I -c 'import ensurepip, venv' 2>/dev/null 9>&-
}

# find_python: the first Python >= 3.10 that can make virtual environments, else the first one. By its real path:
# after an upgrade of the system, a link such as /usr/bin/python3 leads to a Python that finds nothing in .venv.
find_python() {
    python=
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10 /usr/bin/python3; do
        found=$("$candidate" -I -c '
import os, sys
if sys.version_info >= (3, 10):
    print(os.path.realpath(sys.executable))
' 2>/dev/null 9>&-)
        if [ -n "$found" ] && can_make_venv "$found"; then
            python=$found
            return
        fi
        python=${python:-$found}
    done
}

# take_lock: one set-up at a time in a checkout. The lock goes with the last process that has descriptor 9 open.
take_lock() {
    # The lock belongs to the open file, not to the process that took it: so Python can do it where flock(1) is missing.
    flock 9 2>/dev/null || "$python" -I -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' 2>/dev/null || [ -z "$python" ]
}

apt_get() {
    # RUNLEVEL: invoke-rc.d(8) then starts no server that is installed. The tests start their own.
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

# attempt COMMAND...: run it with its output in a file, and without the lock, which a daemon might keep for ever.
attempt() {
    "$@" >.venv/log 2>&1 9>&-
}

# quietly COMMAND...: the same, and show that output if it fails.
quietly() {
    attempt "$@" || {
        say "this failed: $*"
        tail -n 25 .venv/log
        return 1
    }
}

say() {
    printf 'pdwrap: %s\n' "$*"
}
