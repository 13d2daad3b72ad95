#!/bin/sh
# What init does on a device, in the order of a Debian: kernel settings, filters, interfaces, routing, the rest.
# Daemons get the process files and arguments of their packages' own init scripts, so `service NAME restart` works.
. /etc/netdr-lab/router

# A commit that nobody confirmed before the power went is undone before any of its files is read.
# Where there was no commit there is no folder, and no need to pay for Python.
[ ! -d /var/lib/netdr/device ] || try netdr-device boot
try hostname -F /etc/hostname
start_network
mkdir -p /run/sshd /run/lldpd /run/agentx /var/agentx
install -d -o _chrony -g _chrony -m 750 /run/chrony
try snmpd -LSwd -Lf /dev/null -u Debian-snmp -g Debian-snmp -I -smux,mteTrigger,mteTriggerConf -p /run/snmpd.pid
try start_routing
. /etc/default/ssh
# shellcheck disable=SC2086,SC2154  # a list of options; from the file above
try /usr/sbin/sshd $SSHD_OPTS
try lldpd
# In the foreground, put into the background here: its own way of going there takes a second of waiting.
rsyslogd -n >/dev/null 2>&1 &
# -x: the nodes share the machine's clock and must leave it alone.
try chronyd -x
exit "$status"
