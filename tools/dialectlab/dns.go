package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
)

// resolve answers DNS queries at 127.0.0.1 until it is killed: every name has
// the one exchanger mx.example.net and the one address given, and nothing else.
// For programs that look up where to send.
func resolve(address string) error {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return err
	}
	c, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "answering")
	for buf := make([]byte, 1500); ; {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return err
		}
		if reply := answer(buf[:n], addr); reply != nil {
			c.WriteTo(reply, from)
		}
	}
}

// answer makes the reply to a query with one question (RFC 1035 §4), or nil.
func answer(query []byte, addr netip.Addr) []byte {
	be := binary.BigEndian
	if len(query) < 17 || be.Uint16(query[4:]) != 1 {
		return nil
	}
	at := 12
	for at < len(query) && query[at] != 0 {
		at += 1 + int(query[at])
	}
	if at+5 > len(query) {
		return nil
	}
	question := query[12 : at+5]
	var data []byte
	kind := be.Uint16(query[at+1:])
	switch {
	case kind == 15: // MX
		data = append([]byte{0, 10}, "\x02mx\x07example\x03net\x00"...)
	case kind == 1 && addr.Is4(), kind == 28 && addr.Is6():
		data = addr.AsSlice()
	}
	reply := append([]byte{}, query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	reply = append(reply, question...)
	if data != nil {
		reply[7] = 1
		reply = append(reply, 0xc0, 12, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 60)
		reply = be.AppendUint16(reply, uint16(len(data)))
		reply = append(reply, data...)
	}
	return reply
}
