package filter

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
)

// FuzzCompile checks that every expression gives a valid program or an error
// that names where the fault is, and that RejectsAll is right about frames.
func FuzzCompile(f *testing.F) {
	for _, e := range expressions {
		f.Add(e.text, 1, false, []byte(nil))
	}
	f.Fuzz(func(t *testing.T, text string, link int, kernelVLAN bool, frame []byte) {
		p, err := Compile(text, Config{Link: link, KernelVLAN: kernelVLAN})
		if err != nil {
			var e *Error
			switch {
			case errors.As(err, &e):
				if e.Column < 1 || e.Column > len(text)+1 || !strings.HasPrefix(text[e.Column-1:], e.Word) {
					t.Errorf("Compile(%q) = %v, which is not there", text, err)
				}
			case !errors.Is(err, ErrLink) && !errors.Is(err, ErrLong):
				t.Errorf("Compile(%q) = %v", text, err)
			}
			return
		}
		if err := check(p.Instructions()); err != nil {
			t.Errorf("Compile(%q): %v", text, err)
		}
		if p.Match(frame, len(frame)) && p.RejectsAll() {
			t.Errorf("%q: RejectsAll() = true, and %x is accepted", text, frame)
		}
	})
}

// FuzzParse checks that Parse and String are inverse, and that every program
// that is taken ends with the result x/net's virtual machine has.
func FuzzParse(f *testing.F) {
	for _, e := range expressions {
		if p, err := Compile(e.text, Config{Link: 1}); err == nil {
			f.Add(p.String(), []byte("frame"))
		}
	}
	f.Fuzz(func(t *testing.T, text string, frame []byte) {
		p, err := Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		again, err := Parse(strings.NewReader(p.String()))
		if err != nil || again.String() != p.String() {
			t.Errorf("Parse(%q) = %v, %v", p, again, err)
		}
		checkRun(t, p, frame)
	})
}

// FuzzMatch is FuzzParse for instructions in binary, of which more are valid.
func FuzzMatch(f *testing.F) {
	for _, e := range expressions {
		if p, err := Compile(e.text, Config{Link: 1}); err == nil {
			var b []byte
			for _, r := range p.Instructions() {
				b = binary.BigEndian.AppendUint16(b, r.Op)
				b = binary.BigEndian.AppendUint32(append(b, r.Jt, r.Jf), r.K)
			}
			f.Add(b, []byte("frame"))
		}
	}
	f.Fuzz(func(t *testing.T, b, frame []byte) {
		var raw []bpf.RawInstruction
		for ; len(b) >= 8; b = b[8:] {
			raw = append(raw, bpf.RawInstruction{
				Op: binary.BigEndian.Uint16(b), Jt: b[2], Jf: b[3], K: binary.BigEndian.Uint32(b[4:]),
			})
		}
		if p, err := New(raw); err == nil {
			checkRun(t, p, frame)
		}
	})
}

func checkRun(t *testing.T, p *Program, frame []byte) {
	t.Helper()
	got := p.run(frame, uint32(len(frame)), noted{tci: -1})
	if got != 0 && p.RejectsAll() {
		t.Errorf("%q: RejectsAll() = true, and %x is accepted", p, frame)
	}
	for _, r := range p.Instructions() {
		if r.Op == ldxLen {
			return // x/net disassembles it as a load into A
		}
	}
	ins, ok := bpf.Disassemble(p.Instructions())
	if !ok {
		return
	}
	vm, err := bpf.NewVM(ins)
	if err != nil {
		return
	}
	if want, err := vm.Run(frame); err == nil && uint32(want) != got {
		t.Errorf("%q: run(%x) = %d, want %d as of x/net", p, frame, got, want)
	}
}
