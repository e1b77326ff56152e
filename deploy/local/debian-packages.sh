#!/usr/bin/env bash
# Installs the Debian packages that the tests and `make servers` need and that are missing; does nothing when none is.
# Without root it installs nothing and says which are missing. `make box` needs none of them.
set -euo pipefail

PACKAGES=(
  postgresql mosquitto                          # servers
  ffmpeg                                        # the independent player and prober that exports are judged with
  gir1.2-gst-rtsp-server-1.0 python3-gst-1.0    # the RTSP camera of deploy/local/rtsp_camera.py
  gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
  glib-networking                               # its TLS (rtsps)
  chromium fonts-noto-cjk                       # the console's page, seen as a person sees it
)

if ! command -v dpkg-query >/dev/null; then
  echo "debian-packages: this is not a Debian system; install the counterparts of: ${PACKAGES[*]}" >&2
  exit 1
fi

missing=()
for package in "${PACKAGES[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ "$status" == installed ]] || missing+=("$package")
done
(( ${#missing[@]} )) || exit 0

if (( $(id -u) != 0 )); then
  echo "debian-packages: missing: ${missing[*]}" >&2
  echo "debian-packages: install them with: sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

echo "debian-packages: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# No cluster is made and no service is started for the machine: the tests start servers of their own.
mkdir -p /etc/postgresql-common/createcluster.d
echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.d/kanhu.conf
apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}" > /dev/null
