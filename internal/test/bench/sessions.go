//go:build linux

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

const (
	labCaptures  = "tools/dialectlab/data/*.pcap.gz" // of real programs: scripts/lab-dialects
	sessionBytes = 64 << 20                          // of the file, so that starting is a small part; tshark takes its time
)

var sessionsTable = table{"the other", "<!-- bench -only sessions writes from here -->\n", "<!-- sessions to here -->\n"}

// sessionReader is a program that reads sessions from a file.
type sessionReader struct {
	name    string
	command []string
	hello   *regexp.Regexp // what it prints once for each hello
}

// sessions compares what takes SMTP sessions and their TLS hellos from a file:
// those of the lab's programs, again and again from other addresses. Time is
// that of all threads on a CPU.
func (b *bench) sessions(ctx context.Context) error {
	b.table = sessionsTable
	path := filepath.Join(b.dir, "sessions.pcap")
	total, err := manySessions(path)
	if err != nil {
		return err
	}
	huginn, err := hellosProgram(ctx)
	if err != nil {
		return err
	}
	ours := sessionReader{"", []string{b.mxprint, "read", "-q", "-json", path}, regexp.MustCompile(`"module":"tls"`)}
	for _, peer := range []struct {
		sessionReader
		bar float64
	}{
		{sessionReader{"tshark: JA3 and SMTP commands of each frame", []string{"tshark", "-n", "-r", path, "-Y", "tls.handshake.type == 1 || smtp.req", "-T", "fields",
			"-e", "ip.src", "-e", "tcp.srcport", "-e", "tls.handshake.ja3", "-e", "smtp.req.command", "-e", "smtp.req.parameter"},
			regexp.MustCompile(`\t[0-9a-f]{32}\b`)}, 30},
		{sessionReader{"ndpiReader: each flow", []string{"ndpiReader", "-i", path, "-v", "2"}, regexp.MustCompile(`\[JA3C: `)}, 3},
		{sessionReader{huginnTLS + " as documented: hellos alone", []string{huginn, "report", path}, regexp.MustCompile(`(?m)^JA4: `)}, 5},
	} {
		if _, err := exec.LookPath(peer.command[0]); err != nil {
			return fmt.Errorf("%s is not installed: scripts/deps", peer.command[0])
		}
		they, we, err := inTurn(ctx, &peer.sessionReader, &ours, total)
		if err != nil {
			return err
		}
		b.add(row{fmt.Sprintf("%d SMTP sessions of a file, CPU time; %s", total, peer.name), they.String(), we.String(),
			times(we.rate / they.rate), fmt.Sprintf("%.0f×", peer.bar), we.rate/they.rate >= peer.bar})
	}
	return b.hellos(ctx, huginn, path, total)
}

// sessionRate is what a program made of the file.
type sessionRate struct {
	rate   float64 // sessions a second of CPU
	hellos int
}

func (r sessionRate) String() string {
	return fmt.Sprintf("%.0f sessions/s, %d hellos", r.rate, r.hellos)
}

// inTurn runs two programs in turn, three times each.
func inTurn(ctx context.Context, they, we *sessionReader, total int) (theirs, ours sessionRate, err error) {
	rates := [2][]float64{}
	all := [2]sessionRate{}
	for i, r := range []*sessionReader{they, we} {
		if all[i].hellos, err = r.found(ctx); err != nil {
			return theirs, ours, err
		}
	}
	for range 3 {
		for i, r := range []*sessionReader{they, we} {
			took, err := cpuOf(ctx, r.command)
			if err != nil {
				return theirs, ours, err
			}
			rates[i] = append(rates[i], float64(total)/took.Seconds())
		}
	}
	for i := range all {
		all[i].rate = median(rates[i])
	}
	return all[0], all[1], nil
}

// found is how many hellos a program finds.
func (r *sessionReader) found(ctx context.Context) (int, error) {
	out, err := exec.CommandContext(ctx, r.command[0], r.command[1:]...).Output()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", r.command[0], err)
	}
	return len(r.hello.FindAllIndex(out, -1)), nil
}

// cpuOf is what a program takes of the processors. What it prints is dropped.
func cpuOf(ctx context.Context, command []string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w: %.500s", command[0], err, &stderr)
	}
	use := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return time.Duration(use.Utime.Nano() + use.Stime.Nano()), nil
}

// manySessions writes the lab's captures one after the other until the file is
// large enough, each copy from other addresses and at a later time, and returns
// how many connections it has.
func manySessions(path string) (total int, err error) {
	files, err := filepath.Glob(labCaptures)
	if err != nil || len(files) == 0 {
		return 0, errors.Join(err, fmt.Errorf("no captures: %s", labCaptures))
	}
	var all [][]byte
	for _, f := range files {
		text, err := plain(f)
		if err != nil {
			return 0, err
		}
		all = append(all, text)
	}
	out := bytes.NewBuffer(append([]byte(nil), all[0][:24]...))
	for copy := uint32(1); out.Len() < sessionBytes; copy++ {
		for _, text := range all {
			total += oneCopy(out, text, copy)
		}
	}
	return total, os.WriteFile(path, out.Bytes(), 0o644)
}

// oneCopy appends the frames of a capture with other addresses of the client.
func oneCopy(out *bytes.Buffer, text []byte, copy uint32) (syns int) {
	le, be := binary.LittleEndian, binary.BigEndian
	for rest := text[24:]; len(rest) >= 16; {
		size := int(le.Uint32(rest[8:]))
		frame := append([]byte(nil), rest[:16+size]...)
		rest = rest[16+size:]
		le.PutUint32(frame, le.Uint32(frame)+copy*600)
		p := frame[16:]
		if len(p) < 14+40 || be.Uint16(p[12:]) != 0x0800 {
			continue // IPv4 alone
		}
		ip, tcp := p[14:], p[14+int(p[14]&15)*4:]
		client := ip[12:16]
		if be.Uint16(tcp) < 1024 {
			client = ip[16:20]
		}
		client[1], client[2] = byte(copy>>8), byte(copy)
		if tcp[13]&0x12 == 2 {
			syns++
		}
		out.Write(frame)
	}
	return syns
}

func plain(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
