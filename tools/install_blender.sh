#!/usr/bin/env bash
# Install a real Blender with its window, from Debian's unstable suite, into a chroot of its own.
#
#   tools/install_blender.sh      ->  /opt/blender-sid and /usr/local/bin/in-blender-sid
#
# Needs root on a Debian machine; 1.3 GB and about a minute. Where it is installed already, nothing is done.
# An interrupted installation is completed by the next run. Mirror and transport options are those of the machine's apt.
#
# Variables: SUITE   Debian suite, default sid (trixie has Blender 4.3)
#            MIRROR  default: the one that apt uses
set -euo pipefail

SUITE="${SUITE:-sid}"
TARGET="/opt/blender-$SUITE"
WRAPPER="/usr/local/bin/in-blender-$SUITE"
# Debian's Blender does not ask for its Python modules; without cattrs it has no extension commands.
PACKAGES="blender python3-numpy python3-cattr python3-requests python3-zstandard ca-certificates
  xvfb xauth x11-utils xdotool imagemagick openbox libgl1-mesa-dri libegl1 libegl-mesa0 libgl1 libglx-mesa0"

die() { echo "install_blender: $*" >&2; exit 1; }

installed() {
  local package
  [ -x "$WRAPPER" ] && [ -x "$TARGET/usr/bin/blender" ] || return 1
  for package in $PACKAGES; do
    chroot "$TARGET" dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || return 1
  done
}

[ "$(id -u)" = 0 ] || die "must be root, for the chroot; or install Blender 4.3 or newer and put it on PATH"
command -v apt-get >/dev/null || die "needs a Debian machine; or install Blender 4.3 or newer and put it on PATH"
if installed; then
  echo "Blender is installed: run it with $WRAPPER blender"
  exit 0
fi

MIRROR="${MIRROR:-$(apt-get indextargets --format '$(CREATED_BY) $(COMPONENT) $(SITE)' \
  | awk '$1 == "Packages" && $2 == "main" && $3 !~ /security/ { print $3; exit }')}"
[ -n "$MIRROR" ] || die "apt has no Debian mirror: set MIRROR"

# 1. The base system.
if ! command -v debootstrap >/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
fi
if [ ! -e "$TARGET/.base-done" ] && [ ! -e "$TARGET/.debootstrap-done" ]; then
  echo "base system of Debian $SUITE into $TARGET ..." >&2
  rm -rf --one-file-system "$TARGET"
  mkdir -p "$TARGET"
  debootstrap --variant=minbase "$SUITE" "$TARGET" "$MIRROR" >"$TARGET.debootstrap.log" 2>&1 \
    || { tail -n 20 "$TARGET.debootstrap.log" >&2; die "debootstrap failed"; }
  touch "$TARGET/.base-done"
fi

# 2. apt inside: the machine's mirror and transport, nothing recommended, no documentation, no services.
echo "deb $MIRROR $SUITE main" >"$TARGET/etc/apt/sources.list"
rm -f "$TARGET"/etc/apt/sources.list.d/*
apt-config dump Acquire | grep -E '^Acquire::(http|https|Check-|Retries|ForceIPv)' >"$TARGET/etc/apt/apt.conf.d/90machine" || true
cat >"$TARGET/etc/apt/apt.conf.d/91lean" <<'APT'
APT::Install-Recommends "false";
Acquire::Languages "none";
APT::Keep-Downloaded-Packages "false";
APT
cat >"$TARGET/etc/dpkg/dpkg.cfg.d/lean" <<'DPKG'
path-exclude=/usr/share/man/*
path-exclude=/usr/share/doc/*
force-unsafe-io
DPKG
printf '#!/bin/sh\nexit 101\n' >"$TARGET/usr/sbin/policy-rc.d"
chmod +x "$TARGET/usr/sbin/policy-rc.d"
cp -L /etc/resolv.conf /etc/hosts "$TARGET/etc/" 2>/dev/null || true
if [ -d /usr/local/share/ca-certificates ]; then # a proxy's certificate authority
  mkdir -p "$TARGET/usr/local/share/ca-certificates"
  cp -rL /usr/local/share/ca-certificates/. "$TARGET/usr/local/share/ca-certificates/"
fi

# 3. The wrapper: a mount namespace of its own, so that nothing stays mounted. $BINDS names the folders that are seen at the
#    same place inside; the machine's root is /host, so that Blender can start a program of the machine: chroot /host PROGRAM.
{
  printf '#!/bin/bash\n# %s COMMAND...: run a command inside %s\nexport TARGET="%s" BINDS="${BINDS:-/tmp}"\n' \
    "$(basename "$WRAPPER")" "$TARGET" "$TARGET"
  cat <<'WRAPPER'
exec unshare --mount --propagation private -- /bin/bash -c '
  mkdir -p "$TARGET/host" && mount --bind / "$TARGET/host"
  for d in proc sys dev; do mount --rbind "/$d" "$TARGET/host/$d"; mount --rbind "/$d" "$TARGET/$d"; done
  for b in $BINDS; do [ -d "$b" ] && mkdir -p "$TARGET$b" && mount --rbind "$b" "$TARGET$b"; done
  kept=()
  while IFS= read -r -d "" variable; do
    case "$variable" in BLENDER_* | SHIAGE_* | MESA_* | LIBGL_* | GALLIUM_* | LP_*) kept+=("$variable") ;; esac
  done < <(env -0)
  exec chroot "$TARGET" /usr/bin/env -i HOME="${CHROOT_HOME:-/root}" LANG=C.UTF-8 TERM="${TERM:-dumb}" \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DISPLAY="${DISPLAY:-}" XDG_RUNTIME_DIR=/tmp "${kept[@]}" \
    /bin/sh -c "cd \"\$0\" 2>/dev/null || cd /; exec \"\$@\"" "$PWD" "$@"
' bash "${@:-bash}"
WRAPPER
} >"$WRAPPER.new"
chmod +x "$WRAPPER.new"
mv "$WRAPPER.new" "$WRAPPER"

# 4. The packages.
echo "packages ..." >&2
"$WRAPPER" apt-get update -qq
# shellcheck disable=SC2086
"$WRAPPER" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $PACKAGES >"$TARGET.apt.log" 2>&1 \
  || { tail -n 30 "$TARGET.apt.log" >&2; die "apt-get failed"; }
"$WRAPPER" apt-get clean
"$WRAPPER" blender --version | head -n 1
echo "run it with $WRAPPER blender"
