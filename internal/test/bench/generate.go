//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"os"
)

// synOptions are the TCP options of a Linux SYN: MSS 1460, SACK permitted,
// timestamps, NOP, window scale 7.
var synOptions = []byte{
	2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
}

// dataOptions are those of a segment with data.
var dataOptions = []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1}

// TCP flags.
const (
	flagFIN = 1
	flagSYN = 2
	flagPSH = 8
	flagACK = 16
)

// pcapWriter writes a pcap file of Ethernet frames, ten microseconds apart.
type pcapWriter struct {
	w      *bufio.Writer
	frames int
}

func writeFile(path string, fill func(*pcapWriter)) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := &pcapWriter{w: bufio.NewWriterSize(f, 1<<20)}
	le := binary.LittleEndian
	var header [24]byte
	le.PutUint32(header[0:], 0xa1b2c3d4)
	le.PutUint16(header[4:], 2)
	le.PutUint16(header[6:], 4)
	le.PutUint32(header[16:], 65535)
	le.PutUint32(header[20:], 1) // Ethernet
	w.w.Write(header[:])
	fill(w)
	return w.w.Flush()
}

func (w *pcapWriter) add(frame []byte) {
	const start = 1_700_000_000
	var record [16]byte
	le := binary.LittleEndian
	le.PutUint32(record[0:], uint32(start+w.frames/100_000))
	le.PutUint32(record[4:], uint32(w.frames%100_000*10))
	le.PutUint32(record[8:], uint32(len(frame)))
	le.PutUint32(record[12:], uint32(len(frame)))
	w.w.Write(record[:])
	w.w.Write(frame)
	w.frames++
}

// syns writes one SYN to port 25 of each of n addresses.
func (w *pcapWriter) syns(n int) {
	s := newSYN()
	for i := range n {
		s.from(uint32(i))
		w.add(s)
	}
}

// handshakes writes n SMTP connections of as many addresses: SYN, SYN+ACK, ACK,
// the server's greeting, the client's, and the end.
func (w *pcapWriter) handshakes(n int) {
	greeting, hello := []byte("220 mx.dest.example ESMTP Postfix\r\n"), []byte("EHLO source.example\r\n")
	syn := newSYN()
	answer := segment(flagSYN|flagACK, synOptions, nil)
	ack := segment(flagACK, dataOptions, nil)
	data := segment(flagACK|flagPSH, dataOptions, greeting)
	more := segment(flagACK|flagPSH, dataOptions, hello)
	fin := segment(flagACK|flagFIN, dataOptions, nil)
	for i := range n {
		syn.from(uint32(i))
		seq := syn.seq()
		const server = 7_000_000
		w.add(syn)
		w.add(answer.to(uint32(i), server, seq+1))
		w.add(ack.next(uint32(i), seq+1, server+1))
		w.add(data.to(uint32(i), server+1, seq+1))
		w.add(more.next(uint32(i), seq+1, server+1+uint32(len(greeting))))
		w.add(fin.next(uint32(i), seq+1+uint32(len(hello)), server+1+uint32(len(greeting))))
	}
}

// frame is an Ethernet frame with IPv4 and TCP.
type frame []byte

const (
	ipAt  = 14
	tcpAt = ipAt + 20
)

// newSYN is the SYN of a Linux machine three hops away to 198.18.0.2:25.
func newSYN() frame { return segment(flagSYN, synOptions, nil) }

func segment(flags byte, options, data []byte) frame {
	f := make(frame, tcpAt+20, tcpAt+20+len(options)+len(data))
	f = append(append(f, options...), data...)
	be := binary.BigEndian
	copy(f, []byte{255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1})
	be.PutUint16(f[12:], 0x0800)
	ip := f[ipAt:]
	ip[0] = 0x45
	be.PutUint16(ip[2:], uint16(len(ip)))
	be.PutUint16(ip[4:], 0x1234)
	be.PutUint16(ip[6:], 0x4000) // DF
	ip[8], ip[9] = 61, 6
	copy(ip[16:], []byte{198, 18, 0, 2})
	tcp := f[tcpAt:]
	be.PutUint16(tcp[0:], 40000)
	be.PutUint16(tcp[2:], 25)
	tcp[12], tcp[13] = uint8(20+len(options))/4<<4, flags
	be.PutUint16(tcp[14:], 64240)
	return f
}

// from makes a frame one of client number i, with a sequence number of its own.
func (f frame) from(i uint32) {
	binary.BigEndian.PutUint32(f[ipAt+12:], clientBase+i)
	binary.BigEndian.PutUint32(f[tcpAt+4:], i*2654435761+1)
}

const clientBase = 10<<24 + 1

func (f frame) seq() uint32 { return binary.BigEndian.Uint32(f[tcpAt+4:]) }

// next makes a frame one of client i.
func (f frame) next(i, seq, ack uint32) frame {
	f.from(i)
	binary.BigEndian.PutUint32(f[tcpAt+4:], seq)
	binary.BigEndian.PutUint32(f[tcpAt+8:], ack)
	return f
}

// to makes a frame one of the server to client i.
func (f frame) to(i, seq, ack uint32) frame {
	copy(f[ipAt+12:], []byte{198, 18, 0, 2})
	binary.BigEndian.PutUint32(f[ipAt+16:], clientBase+i)
	binary.BigEndian.PutUint16(f[tcpAt:], 25)
	binary.BigEndian.PutUint16(f[tcpAt+2:], 40000)
	binary.BigEndian.PutUint32(f[tcpAt+4:], seq)
	binary.BigEndian.PutUint32(f[tcpAt+8:], ack)
	return f
}
