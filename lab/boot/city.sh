#!/bin/sh
# The city's router: interfaces and routing, nothing that netdr could reach.
. /etc/netdr-lab/router
start_network
try start_routing
exit "$status"
