"""What pyp0f says of the first SYNs of a pcap file of Ethernet frames, and how
much CPU time that takes it.

    peer.py FILE COUNT

Scapy decodes the frames, as pyp0f wants it. Packet.from_packet spares it the
copy that fingerprint_tcp makes of a packet of Scapy's. Prints the number of
SYNs, of those named, and the nanoseconds; then how many there were of each
name.
"""

import struct
import sys
import time
from collections import Counter

from pyp0f.database import DATABASE
from pyp0f.fingerprint import fingerprint_tcp
from pyp0f.net.packet import Packet
from scapy.layers.l2 import Ether


def frames(path, count):
    """The first frames of a little-endian pcap file."""
    with open(path, "rb") as f:
        f.read(24)
        for _ in range(count):
            header = f.read(16)
            if not header:
                return
            yield f.read(struct.unpack_from("<I", header, 8)[0])


def main():
    DATABASE.load()
    syns = list(frames(sys.argv[1], int(sys.argv[2])))
    counts = Counter()
    begin = time.process_time_ns()
    for syn in syns:
        match = fingerprint_tcp(Packet.from_packet(Ether(syn))).match
        if match is None:
            counts[None] += 1
        else:
            label = match.record.label
            counts[label.name, label.flavor] += 1
    took = time.process_time_ns() - begin
    print(len(syns), len(syns) - counts[None], took)
    for name, n in counts.items():
        print(n, name)


main()
