// Stacklab keeps the SYNs and SYN+ACKs of a capture of a network stack that is
// no kernel, with a label, beside those of the kernels:
//
//	stacklab -family gVisor -name default -version 0.1 -package "go gvisor.dev/gvisor" -out testdata/lab FILE.pcap
//
// scripts/lab-stacks runs it.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/mxprint/mxprint/internal/test/synlab"
	"github.com/mxprint/mxprint/packet"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "stacklab:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	fs := flag.NewFlagSet("stacklab", flag.ContinueOnError)
	var l synlab.Label
	fs.StringVar(&l.Family, "family", "", "what the packets must be named")
	fs.StringVar(&l.Name, "name", "default", "of the setting")
	fs.StringVar(&l.Kernel, "version", "", "of the stack")
	fs.StringVar(&l.Package, "package", "", "where the stack came from")
	out := fs.String("out", "testdata/lab", "`folder` for the capture and labels.json")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 1 || l.Family == "" || l.Kernel == "" {
		return errors.New("name a capture, -family and -version")
	}
	b, err := os.ReadFile(fs.Arg(0))
	if err != nil {
		return err
	}
	kept, err := handshakes(b)
	if err != nil {
		return fmt.Errorf("%s: %w", fs.Arg(0), err)
	}
	l.File = strings.ToLower(l.Family) + "-" + l.Name + ".pcap"
	if err := os.WriteFile(filepath.Join(*out, l.File), kept, 0o644); err != nil {
		return err
	}
	return synlab.SetLabel(*out, l)
}

// handshakes returns the capture with its SYNs and SYN+ACKs alone, at times
// that are the same at each run.
func handshakes(capture []byte) ([]byte, error) {
	r, err := pcapgo.NewReader(bytes.NewReader(capture))
	if err != nil {
		return nil, err
	}
	var kept bytes.Buffer
	w := pcapgo.NewWriter(&kept)
	if err := w.WriteFileHeader(65535, r.LinkType()); err != nil {
		return nil, err
	}
	decoder := packet.Decoder{Link: packet.LinkType(r.LinkType())}
	for n := int64(0); ; n++ {
		frame, info, err := r.ReadPacketData()
		if err == io.EOF {
			return kept.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
		var s packet.Segment
		if decoder.Decode(frame, info.Length, &s) != nil || s.Type != packet.SYN && s.Type != packet.SYNACK {
			continue // IPv6 begins with other packets than TCP
		}
		ci := gopacket.CaptureInfo{Timestamp: time.UnixMilli(1_700_000_000_000 + n), CaptureLength: len(frame), Length: info.Length}
		if err := w.WritePacket(ci, frame); err != nil {
			return nil, err
		}
	}
}
