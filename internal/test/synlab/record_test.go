//go:build linux

package synlab

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/packet"
)

var update = flag.Bool("update", false, "write the captures of this kernel to testdata/lab")

// The captures that are kept lie at the root of the repository, as other
// packages read them too.
const kept = "../../../testdata/lab"

// TestRecord makes the kernel it runs on open connections under every setting
// it has, and holds them against the built-in database.
func TestRecord(t *testing.T) {
	lab.NeedRoot(t)
	kernel, err := Kernel()
	if err != nil {
		t.Fatal(err)
	}
	var labels []Label
	for _, s := range Settings() {
		t.Run(s.Name, func(t *testing.T) {
			packets, err := Record(s)
			if errors.Is(err, ErrUnknownSetting) {
				t.Log(err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			l := Label{Setting: s, File: Series(kernel) + "-" + s.Name + ".pcap", Family: "Linux", Kernel: kernel}
			check(t, l, packets, knownWrong(t))
			if !*update {
				return
			}
			if err := os.WriteFile(filepath.Join(kept, l.File), packets, 0o644); err != nil {
				t.Fatal(err)
			}
			labels = append(labels, l)
		})
	}
	if len(labels) > 0 {
		if err := ReplaceLabels(kept, "", labels); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLoopback wants a loopback's packets to be those of a veth. All settings
// take 20 seconds, so there are some of each kind.
func TestLoopback(t *testing.T) {
	lab.NeedRoot(t)
	for _, s := range Settings() {
		switch s.Name {
		default:
			continue
		case "default", "no-options", "ecn", "guide", "rcvbuf-16k", "mptcp", "fastopen-data", "mtu1400", "mtu9000":
		}
		var sigs [2][]string
		for i, link := range []string{"", Loopback} {
			s.Link = link
			packets, err := Record(s)
			if errors.Is(err, ErrUnknownSetting) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range observe(t, packets) {
				sigs[i] = append(sigs[i], o.Module+" "+o.RawSig)
			}
		}
		if diff := cmp.Diff(sigs[0], sigs[1]); diff != "" {
			t.Errorf("%s: the loopback's packets differ (-veth +loopback):\n%s", s.Name, diff)
		}
	}
}

// TestKept holds the captures that are kept against the built-in database.
func TestKept(t *testing.T) {
	labels, err := ReadLabels(kept)
	if err != nil || len(labels) == 0 {
		t.Fatalf("labels.json names no capture: %v", err)
	}
	wrong := knownWrong(t)
	seen := map[string]bool{}
	for _, l := range labels {
		seen[l.File] = true
		t.Run(l.File, func(t *testing.T) {
			packets, err := os.ReadFile(filepath.Join(kept, l.File))
			if err != nil {
				t.Fatal(err)
			}
			check(t, l, packets, wrong)
		})
	}
	for line := range wrong {
		if file, _, _ := strings.Cut(line, " "); !seen[file] {
			t.Errorf("%s: %q names no capture that is kept", wrongList, line)
		}
	}
	files, err := filepath.Glob(filepath.Join(kept, "*.pcap"))
	if err != nil || len(files) != len(seen) {
		t.Errorf("%d captures, %d labels; %v", len(files), len(seen), err)
	}
}

// claimed reports whether what a packet was named allows for the capture's
// system. Only Linux has versions.
func (l Label) claimed(o Observation) (bool, error) {
	if l.Family == "Linux" {
		return Claims(o.Name, l.Kernel)
	}
	return o.Name == l.Family || slices.Contains(o.Others, l.Family), nil
}

// check wants a SYN and a SYN+ACK of each IP version, all named as the label
// says, with no version that the kernel is not, unless the list of wrong ones says so: what is
// on it must be wrong.
func check(t *testing.T, l Label, packets []byte, wrong map[string]bool) {
	t.Helper()
	count := map[string]int{}
	for _, o := range observe(t, packets) {
		kind := o.RawSig[:1] + " " + o.Module
		count[kind]++
		ok, err := l.claimed(o)
		listed := wrong[l.File+" "+kind]
		switch {
		case err != nil:
			t.Error(err)
		case !ok && !listed:
			t.Errorf("%s %s = %q (%s), want %s that may be %s", kind, o.RawSig, o.Name, o.Params, l.Family, l.Kernel)
		case ok && listed:
			t.Errorf("%s = %q is right now: take %q off %s", kind, o.Name, l.File+" "+kind, wrongList)
		}
		if testing.Verbose() {
			t.Logf("%-9s %-28s %-14s %s", kind, o.Name, o.Params, o.RawSig)
		}
	}
	for _, want := range []string{"4 syn", "4 syn+ack", "6 syn", "6 syn+ack"} {
		if count[want] != 1 {
			t.Errorf("%s: %d observations of kind %q, want 1", l.File, count[want], want)
		}
	}
}

// observe names the packets of a capture with the built-in database.
func observe(t *testing.T, packets []byte) []Observation {
	t.Helper()
	r, err := pcapgo.NewReader(bytes.NewReader(packets))
	if err != nil {
		t.Fatal(err)
	}
	var list []Observation
	var mss uint16
	decoder := packet.Decoder{Link: packet.LinkType(r.LinkType())}
	for {
		frame, info, err := r.ReadPacketData()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		var s packet.Segment
		if err := decoder.Decode(frame, info.Length, &s); err != nil {
			t.Fatal(err)
		}
		o, dir := Observation{Module: "syn+ack", Name: "???", Params: "none"}, signature.Response
		if s.Type == packet.SYN {
			o.Module, dir, mss = "syn", signature.Request, 0
		}
		m := signature.Builtin().Match(dir, &s, mss)
		if s.Type == packet.SYN {
			mss = s.MSS
		}
		if m.Sig != nil {
			o.Name, o.Others = m.Sig.Label.Title(), m.Sig.Label.Others
		}
		switch {
		case m.Sig != nil && m.Generic():
			o.Params = "generic"
		case m.Fuzzy:
			o.Params = "fuzzy"
		}
		o.RawSig = string(signature.AppendRaw(nil, &s, m.Multiple))
		list = append(list, o)
	}
}

// wrongList names what the built-in database is known to get wrong, a line
// each: the capture, the IP version, syn or syn+ack. It may only shrink.
const wrongList = "testdata/wrong.txt"

func knownWrong(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(wrongList)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			list[line] = true
		}
	}
	return list
}
