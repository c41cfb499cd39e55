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

// writeSYNs writes a pcap with one SYN to port 25 of each of n addresses, ten
// microseconds apart.
func writeSYNs(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	le := binary.LittleEndian
	var header [24]byte
	le.PutUint32(header[0:], 0xa1b2c3d4)
	le.PutUint16(header[4:], 2)
	le.PutUint16(header[6:], 4)
	le.PutUint32(header[16:], 65535)
	le.PutUint32(header[20:], 1) // Ethernet
	w.Write(header[:])

	frame := synFrame()
	record := make([]byte, 16, 16+len(frame))
	record = append(record, frame...)
	le.PutUint32(record[8:], uint32(len(frame)))
	le.PutUint32(record[12:], uint32(len(frame)))
	const start = 1_700_000_000
	for i := range n {
		le.PutUint32(record[0:], uint32(start+i/100_000))
		le.PutUint32(record[4:], uint32(i%100_000*10))
		ip := record[16+14:]
		binary.BigEndian.PutUint32(ip[12:], 10<<24+uint32(i)+1)
		binary.BigEndian.PutUint32(ip[20+4:], uint32(i)*2654435761+1) // sequence number
		w.Write(record)
	}
	return w.Flush()
}

// synFrame is an Ethernet frame with the SYN that writeSYNs varies.
func synFrame() []byte {
	frame := make([]byte, 14+20+20, 14+20+20+len(synOptions))
	frame = append(frame, synOptions...)
	be := binary.BigEndian
	be.PutUint16(frame[12:], 0x0800)
	ip := frame[14:]
	ip[0] = 0x45
	be.PutUint16(ip[2:], uint16(len(ip)))
	be.PutUint16(ip[4:], 0x1234)
	be.PutUint16(ip[6:], 0x4000) // DF
	ip[8], ip[9] = 61, 6
	copy(ip[16:], []byte{198, 18, 0, 2})
	tcp := ip[20:]
	be.PutUint16(tcp[0:], 40000)
	be.PutUint16(tcp[2:], 25)
	tcp[12], tcp[13] = uint8(len(tcp)/4)<<4, 2
	be.PutUint16(tcp[14:], 64240)
	return frame
}
