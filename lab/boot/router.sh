# Read by the boot of whatever routes. A part that fails is named and the rest goes on, as on any machine; $status tells.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
status=0

# What is said goes through a file: newer FRR daemons keep their standard error open, and a pipe would wait for them.
try() {
    "$@" >/run/netdr-said 2>&1 && return
    printf '%s: %s\n' "$*" "$(cat /run/netdr-said)" >&2
    status=1
}

start_network() {
    try sysctl -q -e -p /etc/sysctl.d/netdr-lab.conf
    try nft -f /etc/nftables.conf
    mkdir -p /run/network
    # What ifupdown2's own start script does about the state of the time before the boot.
    rm -f /var/tmp/network/ifstatenew
    try ifup -a
}

# Without the package's watchfrr, which costs more than the daemons. zebra first: a daemon that does not find it tries
# again after ten seconds. Then all others at once.
start_routing() {
    . /etc/frr/daemons
    install -d -o frr -g frr -m 755 /run/frr
    # shellcheck disable=SC2086,SC2154  # a list of options; from the file above
    /usr/lib/frr/zebra -d $zebra_options >/dev/null || return
    # From FRR 9 on, static routes are configured through it.
    # shellcheck disable=SC2086  # a list of options
    [ ! -x /usr/lib/frr/mgmtd ] || /usr/lib/frr/mgmtd -d ${mgmtd_options:--A 127.0.0.1} >/dev/null || return
    for daemon in staticd bgpd ospfd bfdd; do
        eval "wanted=\${$daemon:-no} options=\${${daemon}_options:-}"
        # shellcheck disable=SC2086,SC2154  # a list of options; set by eval
        [ "$wanted" != yes ] || "/usr/lib/frr/$daemon" -d $options >/dev/null &
    done
    wait
    vtysh -b
}
