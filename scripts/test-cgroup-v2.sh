#!/usr/bin/env bash
# The tests of control groups on a host that has cgroup v2 and nothing else: a virtual machine of a
# few seconds (qemu without KVM, Debian's cloud kernel, busybox), in which the test binary runs as root
# in a delegated group, as systemd gives one to a unit with Delegate=yes.
#
#   scripts/test-cgroup-v2.sh      exit 0 passed, 1 failed, 77 skipped: what is missing is said
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
cd "$ROOT"

readonly CACHE=$ROOT/target/vm
readonly TESTS=process::cgroups::
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() {
    warn "cgroup v2 is not tested: $*"
    exit 77
}

ensure_programs() {
    local missing=()
    have qemu-system-x86_64 || missing+=(qemu-system-x86)
    have cpio || missing+=(cpio)
    have busybox && busybox --list | grep -qx setsid || missing+=(busybox-static)
    [ ${#missing[@]} = 0 ] || apt_install "${missing[@]}" || skip "missing: ${missing[*]}"
    ! ldd "$(command -v busybox)" >/dev/null 2>&1 || apt_install busybox-static || skip "missing: busybox-static"
}

# Debian's kernel for virtual machines, unpacked, not installed; kept in target/vm.
ensure_kernel() {
    mkdir -p "$CACHE"
    kernel=$(find "$CACHE" -name 'vmlinuz-*' | sort -V | tail -n 1)
    [ -z "$kernel" ] || return 0
    { have apt-get && have dpkg; } || skip "missing: a kernel for the virtual machine (Debian's linux-image-cloud-amd64)"
    local name try
    for try in 1 2 3; do
        name=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
        if [ -n "$name" ] && (cd "$work" && apt-get download -qq "$name" 2>/dev/null); then break; fi
        [ "$try" != 3 ] || skip "missing: linux-image-cloud-amd64 cannot be downloaded by apt-get"
        sleep $((try * 5))
        apt-get update -qq || true
    done
    dpkg -x "$work"/linux-image-*.deb "$work/kernel"
    mv "$work"/kernel/boot/vmlinuz-* "$CACHE/"
    kernel=$(find "$CACHE" -name 'vmlinuz-*' | sort -V | tail -n 1)
}

# put FILE NAME: a program with the libraries that it needs, without its debug symbols.
put() {
    local library
    strip -o "$root/$2" "$1"
    for library in $(ldd "$1" | grep -o '/[^ ]*'); do
        mkdir -p "$root$(dirname "$library")"
        cp -Ln "$library" "$root$library" 2>/dev/null || true
    done
}

make_root() {
    root=$work/root
    mkdir -p "$root"/{bin,dev,proc,sys,tmp,usr/bin}
    put "$1" it
    put "$2" berth
    cp "$(command -v busybox)" "$root/bin/busybox"
    local applet
    for applet in $(busybox --list | grep -vx busybox); do ln -sf busybox "$root/bin/$applet"; done
    cat >"$root/init" <<'INIT'
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
export PATH=/bin BERTH_TEST_EXE=/berth BERTH_TEST_CGROUPS=all
# What systemd does for a unit with Delegate=yes; the shell that enters becomes the program.
for controller in memory cpu pids; do echo +$controller >/sys/fs/cgroup/cgroup.subtree_control; done
in_unit() {
    mkdir -p /sys/fs/cgroup/$1
    shift_to=$1
    shift
    sh -c 'echo $$ >/sys/fs/cgroup/'"$shift_to"'/cgroup.procs; exec "$@"' sh "$@"
}
in_unit berth.service /it TESTS --test-threads=1 && echo "RESULT delegated passed"
in_unit doctor.service /berth doctor
/it TESTS --test-threads=1 && echo "RESULT root passed"
# A group that is shared with others cannot hand down controllers; Berth must say so.
in_unit shared.scope sleep 1000 &
sleep 1
in_unit shared.scope /berth doctor
poweroff -f
INIT
    sed -i "s/TESTS/$TESTS/g" "$root/init"
    chmod 755 "$root/init"
    (cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd.gz"
}

title "Building the tests"
binaries=$(cargo build --locked --tests --bins --message-format=json |
    sed -n 's/.*"name":"\(it\|berth\)".*"executable":"\([^"]*\)".*/\1 \2/p')
it=$(awk '$1 == "it" { print $2 }' <<<"$binaries" | tail -n 1)
berth=$ROOT/target/debug/berth
{ [ -x "$it" ] && [ -x "$berth" ]; } || die "the test binary cannot be found; run cargo build --tests"

ensure_programs
ensure_kernel
make_root "$it" "$berth"

title "Running $TESTS with cgroup v2 alone ($(basename "$kernel"))"
# panic=-1: what goes wrong ends the machine, and with it the test.
timeout 240 qemu-system-x86_64 -M pc -m 1024 -smp 1 -nographic -no-reboot -kernel "$kernel" \
    -initrd "$work/initrd.gz" -append 'console=ttyS0 quiet panic=-1' </dev/null | tr -d '\r' | tee "$work/console"
for expected in "RESULT delegated passed" "RESULT root passed" "by cgroup: v2" "other processes are in it" "Delegate=yes"; do
    grep -qF "$expected" "$work/console" || die "the machine did not say: $expected"
done
say "control groups of v2 work"
