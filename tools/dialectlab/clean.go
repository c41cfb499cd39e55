package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// frame is one packet of a capture with Ethernet headers, IPv4.
type frame struct {
	time     time.Time
	data     []byte
	src, dst netip.AddrPort
	seq, ack uint32
	flags    byte
	payload  []byte // within data
}

// readPcap reads a capture as tcpdump writes it here.
func readPcap(path string) ([]*frame, error) {
	text, err := readAll(path)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if len(text) < 24 || le.Uint32(text) != 0xa1b2c3d4 || le.Uint32(text[20:]) != 1 {
		return nil, fmt.Errorf("%s: not a little-endian pcap of Ethernet", path)
	}
	var all []*frame
	for text = text[24:]; len(text) >= 16; {
		n := int(le.Uint32(text[8:]))
		if len(text) < 16+n {
			break
		}
		f := &frame{time: time.Unix(int64(le.Uint32(text)), int64(le.Uint32(text[4:]))*1000), data: text[16 : 16+n]}
		text = text[16+n:]
		if f.decode() {
			all = append(all, f)
		}
	}
	return all, nil
}

// readAll reads a file, compressed by gzip or not.
func readAll(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil || !bytes.HasPrefix(text, []byte{0x1f, 0x8b}) {
		return text, err
	}
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return io.ReadAll(z)
}

func (f *frame) decode() bool {
	be := binary.BigEndian
	d := f.data
	if len(d) < 54 {
		return false
	}
	var tcp []byte
	var src, dst netip.Addr
	switch ip := d[14:]; {
	case be.Uint16(d[12:]) == 0x0800 && d[23] == 6:
		total, ihl := int(be.Uint16(ip[2:])), int(ip[0]&15)*4
		if total > len(ip) || ihl+20 > total {
			return false
		}
		tcp = ip[ihl:total]
		src, dst = netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
	case be.Uint16(d[12:]) == 0x86dd && d[20] == 6 && len(ip) >= 60 && len(ip) >= 40+int(be.Uint16(ip[4:])):
		tcp = ip[40 : 40+int(be.Uint16(ip[4:]))]
		src, dst = netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:]))
	default:
		return false
	}
	f.src = netip.AddrPortFrom(src, be.Uint16(tcp))
	f.dst = netip.AddrPortFrom(dst, be.Uint16(tcp[2:]))
	f.seq, f.ack, f.flags = be.Uint32(tcp[4:]), be.Uint32(tcp[8:]), tcp[13]
	f.payload = tcp[int(tcp[12]>>4)*4:]
	return true
}

// info is what scripts/lab-dialects says of a program.
type info struct {
	Program string `json:"program"`
	Release string `json:"release"`
	Engine  string `json:"engine"`
	System  string `json:"system"`
	Kind    string `json:"kind"`
	Header  bool   `json:"header"` // the program writes its messages' header, or marks it as relayed
}

// file is the name of the program's capture.
func (i *info) file() string {
	return strings.ToLower(strings.NewReplacer(" ", "-", "/", "-", ":", "-").Replace(i.Program+"-"+i.Release+"-"+i.System)) + ".pcap.gz"
}

// clean takes the frames of one labelled program out of a capture, zeroes what
// is no dialect, and writes one capture of all its connections.
func clean(pcap, log, label, outDir string) error {
	frames, err := readPcap(pcap)
	if err != nil {
		return err
	}
	var what info
	if err := json.Unmarshal([]byte(label), &what); err != nil {
		return err
	}
	text, err := os.ReadFile(log)
	if err != nil {
		return err
	}
	var connections []connection
	for d := json.NewDecoder(bytes.NewReader(text)); d.More(); {
		var c connection
		if err := d.Decode(&c); err != nil {
			return err
		}
		connections = append(connections, c)
	}
	if len(connections) == 0 {
		return fmt.Errorf("%s: no connection", what.file())
	}
	slices.SortStableFunc(connections, func(a, b connection) int { return a.Start.Compare(b.Start) })
	var out bytes.Buffer
	var lines [][]byte
	pcapHeader(&out)
	for _, c := range connections {
		mine := ofConnection(frames, c)
		if len(mine) == 0 {
			return fmt.Errorf("%s: no frames of %s", what.file(), c.Client)
		}
		given := zero(mine, strings.HasSuffix(c.Server, ":465"), what.Header)
		for _, f := range mine {
			if host, _ := os.Hostname(); host != "" && bytes.Contains(f.payload, []byte(host)) {
				return fmt.Errorf("%s: the name of this machine is in a packet of %s", what.file(), c.Client)
			}
			pcapFrame(&out, f)
		}
		label := map[string]any{"file": what.file(), "client": c.Client, "server": c.Server, "variant": c.Variant,
			"tls": c.TLS, "plain": c.Lines, "program": what.Program, "release": what.Release, "engine": what.Engine, "system": what.System, "kind": what.Kind}
		if given {
			label["given"] = true
		}
		line, err := json.Marshal(label)
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	if err := writeGzip(filepath.Join(outDir, what.file()), out.Bytes()); err != nil {
		return err
	}
	fmt.Printf("%s: %d connections\n", what.file(), len(connections))
	return relabel(filepath.Join(outDir, "labels.jsonl"), what.file(), lines)
}

// relabel replaces the lines of one capture.
func relabel(path, file string, lines [][]byte) error {
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "dialectlab.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	all := lines
	mine := []byte(fmt.Sprintf(`"file":%q`, file))
	for line := range bytes.Lines(old) {
		if line = bytes.TrimSuffix(line, []byte("\n")); !bytes.Contains(line, mine) {
			all = append(all, line)
		}
	}
	slices.SortStableFunc(all, func(a, b []byte) int { return bytes.Compare(fileOf(a), fileOf(b)) })
	return os.WriteFile(path, append(bytes.Join(all, []byte("\n")), '\n'), 0o644)
}

// fileOf returns the name of the capture in a line of labels.
func fileOf(line []byte) []byte {
	_, rest, _ := bytes.Cut(line, []byte(`"file":"`))
	name, _, _ := bytes.Cut(rest, []byte(`"`))
	return name
}

func pcapHeader(w *bytes.Buffer) {
	le := binary.LittleEndian
	head := le.AppendUint32(nil, 0xa1b2c3d4)
	head = append(head, 2, 0, 4, 0)
	head = append(head, make([]byte, 8)...)
	head = le.AppendUint32(head, 65535)
	w.Write(le.AppendUint32(head, 1))
}

func pcapFrame(w *bytes.Buffer, f *frame) {
	le := binary.LittleEndian
	h := le.AppendUint32(nil, uint32(f.time.Unix()))
	h = le.AppendUint32(h, uint32(f.time.Nanosecond()/1000))
	h = le.AppendUint32(h, uint32(len(f.data)))
	w.Write(le.AppendUint32(h, uint32(len(f.data))))
	w.Write(f.data)
}

func writeGzip(path string, text []byte) error {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return err
	}
	z.Write(text)
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, packed.Bytes(), 0o644)
}

func ofConnection(frames []*frame, c connection) []*frame {
	var mine []*frame
	for _, f := range frames {
		a, b := f.src.String(), f.dst.String()
		if a == c.Client && b == c.Server || a == c.Server && b == c.Client {
			mine = append(mine, f)
		}
	}
	return mine
}

// zero clears messages, passwords and the bodies of TLS records other than the
// ClientHello, and keeps all lengths. The names of a header's fields stay with
// header, and where the lab gave it, which is reported.
func zero(frames []*frame, implicit, header bool) (given bool) {
	var text [2][]byte
	var first [2]uint32
	client := frames[0].src
	side := func(f *frame) int {
		if f.src == client {
			return 0
		}
		return 1
	}
	for _, f := range frames {
		if f.flags&2 != 0 {
			first[side(f)] = f.seq + 1
		}
		at := int(int32(f.seq - first[side(f)]))
		if at < 0 || at > 1<<24 || len(f.payload) == 0 {
			continue
		}
		if end := at + len(f.payload); end > len(text[side(f)]) {
			text[side(f)] = append(text[side(f)], make([]byte, end-len(text[side(f)]))...)
		}
		copy(text[side(f)][at:], f.payload)
	}
	given = blank(text[0], text[1], implicit, header)
	for _, f := range frames {
		at := int(int32(f.seq - first[side(f)]))
		if at >= 0 && at < 1<<24 && len(f.payload) > 0 {
			copy(f.payload, text[side(f)][at:])
		}
	}
	return given
}

// blank changes the bytes of both sides in place, as zero.
func blank(client, server []byte, implicit, header bool) (given bool) {
	c, s := 0, 0
	if !implicit || len(client) > 0 && client[0] != 22 {
		c, given = blankLines(client, dataReplies(server), header)
		if c < 0 {
			return given
		}
		i := strings.Index(string(server), "220 Ready to start TLS\r\n")
		if i < 0 {
			return given
		}
		s = i + len("220 Ready to start TLS\r\n")
	}
	blankRecords(client[c:], true)
	blankRecords(server[s:], false)
	return given
}

// dataReplies returns for each DATA whether the recorder accepted it.
func dataReplies(server []byte) []bool {
	var list []bool
	for line := range bytes.Lines(server) {
		if text := string(line); strings.HasPrefix(text, "354 ") || strings.HasPrefix(text, "554 ") {
			list = append(list, text[0] == '3')
		}
	}
	return list
}

// blankLines clears messages and passwords, and returns where TLS begins, or -1,
// and whether the lab gave a header. Where a client sends its message though DATA
// was refused, that is lines of letters.
func blankLines(text []byte, accepted []bool, names bool) (tls int, given bool) {
	at, refused := 0, false
	next := func() (from, to int) {
		from = at
		for at < len(text) && text[at] != '\n' {
			at++
		}
		if at < len(text) {
			at++
		}
		return from, at
	}
	auth := 0
	for at < len(text) {
		from, to := next()
		word := strings.ToUpper(strings.TrimSpace(string(text[from:to])))
		switch {
		case word == "STARTTLS":
			if at < len(text) && text[at] == 22 {
				return at, given
			}
		case strings.HasPrefix(word, "AUTH "):
			fields := strings.Fields(word)
			auth = 1
			if fields[1] == "LOGIN" {
				auth = 2
			}
			auth -= len(fields) - 2
			if i := strings.IndexByte(string(text[from+5:to]), ' '); i >= 0 {
				fill(text[from+5+i+1:to], 'x')
			}
		case auth > 0:
			auth--
			fill(text[from:to], 'x')
		case word == "DATA":
			if len(accepted) > 0 {
				refused, accepted = !accepted[0], accepted[1:]
			}
			if refused {
				continue
			}
			end := strings.Index("\r\n"+string(text[at:]), "\r\n.\r\n")
			if end < 0 {
				return -1, blankMessage(text[at:], names) || given
			}
			given = blankMessage(text[at:at+max(0, end-2)], names) || given
			at += end + 3
		case strings.HasPrefix(word, "BDAT "):
			var n int
			fmt.Sscanf(word, "BDAT %d", &n)
			n = min(n, len(text)-at)
			given = blankMessage(text[at:at+n], names) || given
			at += n
		case word == ".":
		case refused && !command(word), header(text[from:to]):
			refused = true
			fill(text[from:to], 'x')
		}
	}
	return -1, given
}

// blankMessage clears a message, and reports whether the lab gave its header. The
// names of a header's fields may stay, with the colon and the line ends; those of
// the lab do.
func blankMessage(text []byte, names bool) (lab bool) {
	lab = given(text)
	for names = names || lab; names && len(text) > 0; {
		end := 1 + bytes.IndexByte(text, '\n')
		if end == 0 {
			end = len(text)
		}
		line := text[:end]
		name := bytes.IndexByte(line, ':')
		switch {
		case len(bytes.TrimRight(line, "\r\n")) == 0: // the header ends
			names = false
		case line[0] == ' ' || line[0] == '\t': // goes on
			fill(line[1:], 'x')
		case name <= 0 || bytes.ContainsAny(line[:name], " \t<"):
			fill(line, 'x')
			names = false
		default:
			fill(line[name+1:], 'x')
		}
		text = text[end:]
	}
	fill(text, 0)
	return lab
}

// header reports whether a line is one of a message's header: some clients send
// that where no message is expected.
func header(line []byte) bool {
	name, _, ok := bytes.Cut(line, []byte(": "))
	return ok && len(name) > 0 && !bytes.ContainsAny(name, " \t<")
}

// command reports whether a line is one that a client may send after DATA.
func command(line string) bool {
	verb, _, _ := strings.Cut(line, " ")
	return slices.Contains([]string{"QUIT", "RSET", "MAIL", "RCPT", "EHLO", "HELO", "NOOP"}, verb)
}

// fill overwrites text and keeps its line end.
func fill(text []byte, with byte) {
	for i := range text {
		if with == 0 || text[i] != '\r' && text[i] != '\n' {
			text[i] = with
		}
	}
}

func blankRecords(text []byte, keepFirst bool) {
	for first := keepFirst; len(text) > 5; first = false {
		n := min(len(text)-5, int(binary.BigEndian.Uint16(text[3:])))
		if !first {
			clear(text[5 : 5+n])
		}
		text = text[5+n:]
	}
}
