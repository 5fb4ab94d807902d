#!/bin/sh
# What the probe's tests need on a Debian machine: network namespaces, packet filters and the conntrack tool.
# They run as root, because they make network namespaces and drop packets in them.
set -eu
missing=""
for pair in ip:iproute2 nft:nftables conntrack:conntrack setpriv:util-linux; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
[ -z "$missing" ] && exit 0
apt-get update -q
# shellcheck disable=SC2086 # a list of package names
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
