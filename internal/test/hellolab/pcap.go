package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
)

// writePcap writes each hello of a file as one TCP segment to port 443, of a
// client port of its own, in a capture without link headers: that is what
// tshark takes.
func writePcap(hellos, to string) error {
	f, err := os.Open(hellos)
	if err != nil {
		return err
	}
	defer f.Close()
	var out bytes.Buffer
	le := binary.LittleEndian
	header := le.AppendUint32(nil, 0xa1b2c3d4)
	header = le.AppendUint16(header, 2)
	header = le.AppendUint16(header, 4)
	header = append(header, make([]byte, 8)...)
	header = le.AppendUint32(header, 65535)
	out.Write(le.AppendUint32(header, 101)) // LINKTYPE_RAW
	dec := json.NewDecoder(bufio.NewReader(f))
	for n := uint32(0); ; n++ {
		var r record
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		data, err := hex.DecodeString(r.Hello)
		if err != nil {
			return err
		}
		packet := segment(uint16(1024+n), data)
		frame := le.AppendUint32(nil, n)
		frame = le.AppendUint32(frame, 0)
		frame = le.AppendUint32(frame, uint32(len(packet)))
		frame = le.AppendUint32(frame, uint32(len(packet)))
		out.Write(append(frame, packet...))
	}
	return os.WriteFile(to, out.Bytes(), 0o644)
}

// segment returns an IPv4 packet; checksums are left out.
func segment(port uint16, data []byte) []byte {
	be := binary.BigEndian
	p := be.AppendUint16([]byte{0x45, 0}, uint16(40+len(data)))
	p = append(p, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
	p = be.AppendUint16(p, port)
	p = be.AppendUint16(p, 443)
	p = be.AppendUint32(p, 1)
	p = be.AppendUint32(p, 1)
	p = append(p, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0)
	return append(p, data...)
}
