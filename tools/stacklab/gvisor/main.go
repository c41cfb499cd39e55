// Gvisor writes the packets of connections between two gVisor network stacks
// to a pcap file: one over IPv4, one over IPv6. The stacks are as their
// constructor makes them.
package main

import (
	"fmt"
	"log"
	"net"
	"os"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/pipe"
	"gvisor.dev/gvisor/pkg/tcpip/link/sniffer"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("gvisor: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: gvisor FILE.pcap")
	}
	if err := record(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func record(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sniffer.LogPackets.Store(0)
	a, b := pipe.New("\x02\x00\x00\x00\x00\x01", "\x02\x00\x00\x00\x00\x02", 1500)
	sniffed, err := sniffer.NewWithWriter(a, f, 65535)
	if err != nil {
		return err
	}
	client, err := newStack(sniffed, 1)
	if err != nil {
		return err
	}
	server, err := newStack(b, 2)
	if err != nil {
		return err
	}
	for _, n := range []tcpip.NetworkProtocolNumber{header.IPv4ProtocolNumber, header.IPv6ProtocolNumber} {
		if err := connect(client, server, n); err != nil {
			return err
		}
	}
	return nil
}

// newStack makes one end; side is the last byte of its addresses.
func newStack(link stack.LinkEndpoint, side byte) (*stack.Stack, error) {
	s := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
		HandleLocal:        false,
	})
	if err := s.CreateNIC(1, link); err != nil {
		return nil, fmt.Errorf("interface: %s", err)
	}
	for _, p := range []tcpip.ProtocolAddress{
		{Protocol: header.IPv4ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom4([4]byte{198, 18, 0, side}).WithPrefix()},
		{Protocol: header.IPv6ProtocolNumber, AddressWithPrefix: tcpip.AddrFrom16([16]byte{0: 0x20, 1: 1, 2: 0xd, 3: 0xb8, 15: side}).WithPrefix()},
	} {
		if err := s.AddProtocolAddress(1, p, stack.AddressProperties{}); err != nil {
			return nil, fmt.Errorf("address: %s", err)
		}
	}
	s.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}, {Destination: header.IPv6EmptySubnet, NIC: 1}})
	return s, nil
}

// connect makes one connection to port 25, whose server greets.
func connect(client, server *stack.Stack, n tcpip.NetworkProtocolNumber) error {
	at := tcpip.FullAddress{NIC: 1, Port: 25, Addr: tcpip.AddrFrom4([4]byte{198, 18, 0, 2})}
	if n == header.IPv6ProtocolNumber {
		at.Addr = tcpip.AddrFrom16([16]byte{0: 0x20, 1: 1, 2: 0xd, 3: 0xb8, 15: 2})
	}
	l, err := gonet.ListenTCP(server, at, n)
	if err != nil {
		return err
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			accepted <- c
		}
	}()
	c, err := gonet.DialTCP(client, at, n)
	if err != nil {
		return err
	}
	(<-accepted).Close()
	return c.Close()
}
