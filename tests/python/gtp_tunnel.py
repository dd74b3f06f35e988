"""Adds a tunnel to a GTP device of the Linux kernel, over generic netlink (linux/gtp.h; iproute2 makes the device alone).

    python3 gtp_tunnel.py add|del DEVICE PEER UE TEID-HERE TEID-THERE

PEER is the eNB's S1-U address, UE the address of the UE; TEIDs are decimal numbers: what comes with TEID-HERE is the UE's,
and what is for the UE leaves with TEID-THERE.
"""

import os
import socket
import struct
import sys

NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 16, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2
NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE = 1, 4, 0x400
NLMSG_ERROR = 2
COMMANDS = {"add": 0, "del": 1}
LINK, VERSION, PEER, UE, TEID_HERE, TEID_THERE = 1, 2, 4, 5, 8, 9


def attribute(kind, octets):
    return struct.pack("=HH", 4 + len(octets), kind) + octets + bytes(-len(octets) % 4)


def ask(netlink, family, command, version, attributes, flags=0):
    """Sends a request; gives the attributes of its answer, after the generic header."""
    body = struct.pack("=BBH", command, version, 0) + attributes
    netlink.send(struct.pack("=IHHII", 16 + len(body), family, NLM_F_REQUEST | flags, 1, 0) + body)
    answer = netlink.recv(65536)
    if struct.unpack_from("=H", answer, 4)[0] == NLMSG_ERROR:
        error = -struct.unpack_from("=i", answer, 16)[0]
        if error:
            raise OSError(error, os.strerror(error))
    return answer[20:]


def family(netlink, name):
    octets = ask(netlink, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, attribute(CTRL_ATTR_FAMILY_NAME, name + b"\0"))
    while octets:
        length, kind = struct.unpack_from("=HH", octets)
        if kind == CTRL_ATTR_FAMILY_ID:
            return struct.unpack_from("=H", octets, 4)[0]
        octets = octets[length + (-length % 4) :]
    raise RuntimeError("the kernel has no family gtp: modprobe gtp")


def main():
    what, device, peer, ue, here, there = sys.argv[1:]
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC) as netlink:
        netlink.bind((0, 0))
        attributes = attribute(LINK, struct.pack("=I", socket.if_nametoindex(device)))
        attributes += attribute(VERSION, struct.pack("=I", 1))
        attributes += attribute(PEER, socket.inet_aton(peer)) + attribute(UE, socket.inet_aton(ue))
        attributes += attribute(TEID_HERE, struct.pack("=I", int(here)))
        attributes += attribute(TEID_THERE, struct.pack("=I", int(there)))
        ask(netlink, family(netlink, b"gtp"), COMMANDS[what], 0, attributes, NLM_F_ACK | NLM_F_CREATE)


main()
