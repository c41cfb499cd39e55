package filter

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/net/bpf"
)

func TestParseRoundTrip(t *testing.T) {
	for _, e := range expressions {
		p, err := Compile(e.text, Config{Link: 1, KernelVLAN: true})
		if err != nil {
			t.Errorf("Compile(%q) = %v", e.text, err)
			continue
		}
		again, err := Parse(strings.NewReader(p.String()))
		if err != nil || again.String() != p.String() {
			t.Errorf("Parse(%q) = %v, %v", p, again, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "filter: invalid program: 0 instructions of 0"},
		{"no number", "tcp\n", `filter: invalid program: line 1: "tcp" is not a number of instructions`},
		{"too many", "4097\n", `filter: invalid program: line 1: "4097" is not a number of instructions`},
		{"none", "0\n", "filter: invalid program: 0 instructions, not 1 to 4096"},
		{"too few", "2\n6 0 0 0\n", "filter: invalid program: 1 instructions of 2"},
		{"more than said", "1\n6 0 0 0\n6 0 0 0\n", `filter: invalid program: line 3: "6 0 0 0" is not instruction 1 of 1`},
		{"three fields", "1\n6 0 0\n", `filter: invalid program: line 2: "6 0 0" is not instruction 0 of 1`},
		{"opcode of 17 bits", "1\n65542 0 0 0\n", `filter: invalid program: line 2: "65542 0 0 0" is not instruction 0 of 1`},
		{"negative", "1\n6 0 0 -1\n", `filter: invalid program: line 2: "6 0 0 -1" is not instruction 0 of 1`},
		{"long line", "1\n" + strings.Repeat("6", 300) + "\n", "filter: reading a program after line 1: bufio.Scanner: token too long"},
	} {
		_, err := Parse(strings.NewReader(tt.text))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: Parse = %v, want %s", tt.name, err, tt.want)
		}
	}
	_, err := Parse(iotest.ErrReader(errors.New("gone")))
	if err == nil || err.Error() != "filter: reading a program after line 0: gone" {
		t.Errorf("Parse of a failing reader = %v", err)
	}
}

func TestCheck(t *testing.T) {
	ret := bpf.RawInstruction{Op: retK}
	for _, tt := range []struct {
		name string
		raw  []bpf.RawInstruction
		want string
	}{
		{"return", []bpf.RawInstruction{ret}, ""},
		{"none", nil, "0 instructions, not 1 to 4096"},
		{"too long", make([]bpf.RawInstruction, 4097), "4097 instructions, not 1 to 4096"},
		{"no return", []bpf.RawInstruction{{Op: ldImm}}, "instruction 0 (0 0 0 0): the last one is not a return"},
		{"unknown", []bpf.RawInstruction{{Op: 0xff}, ret}, "instruction 0 (255 0 0 0): unknown opcode"},
		{"return X", []bpf.RawInstruction{{Op: 0x0e}}, "instruction 0 (14 0 0 0): unknown opcode"},
		{"jt", []bpf.RawInstruction{{Op: jmp | jeq, Jt: 1}, ret}, "instruction 0 (21 1 0 0): jump out of the program"},
		{"jf", []bpf.RawInstruction{{Op: jmp | jset | srcX, Jf: 1}, ret}, "instruction 0 (77 0 1 0): jump out of the program"},
		{"to the last", []bpf.RawInstruction{{Op: jmp | jeq, Jt: 1, Jf: 1}, ret, ret}, ""},
		{"ja", []bpf.RawInstruction{{Op: jmp | ja, K: 1}, ret}, "instruction 0 (5 0 0 1): jump out of the program"},
		{"ja backwards", []bpf.RawInstruction{{Op: jmp | ja, K: 0xffffffff}, ret}, "instruction 0 (5 0 0 4294967295): jump out of the program"},
		{"jump at the end", []bpf.RawInstruction{{Op: jmp | ja}}, "instruction 0 (5 0 0 0): jump out of the program"},
		{"divide", []bpf.RawInstruction{{Op: alu | aluDiv}, ret}, "instruction 0 (52 0 0 0): division by zero"},
		{"modulo", []bpf.RawInstruction{{Op: alu | aluMod}, ret}, "instruction 0 (148 0 0 0): division by zero"},
		{"divide by X", []bpf.RawInstruction{{Op: alu | aluDiv | srcX}, ret}, ""},
		{"shift", []bpf.RawInstruction{{Op: alu | aluLsh, K: 32}, ret}, "instruction 0 (100 0 0 32): shift by more than 31 bits"},
		{"store", []bpf.RawInstruction{{Op: st, K: 16}, ret}, "instruction 0 (2 0 0 16): no such scratch memory"},
		{"load", []bpf.RawInstruction{{Op: ldxMem, K: 3}, ret}, "instruction 0 (97 0 0 3): scratch memory is read that was not written"},
		{"store and load", []bpf.RawInstruction{{Op: st, K: 3}, {Op: ldMem, K: 3}, ret}, ""},
		{"store on one way", []bpf.RawInstruction{{Op: jmp | jeq, Jt: 1}, {Op: st, K: 3}, {Op: ldMem, K: 3}, ret},
			"instruction 2 (96 0 0 3): scratch memory is read that was not written"},
		{"note of the kernel", []bpf.RawInstruction{{Op: ldAbs | sizeW, K: adStart + 12}, ret},
			"instruction 0 (32 0 0 4294963212): load of something only a kernel knows"},
		{"tag", []bpf.RawInstruction{{Op: ldAbs | sizeB, K: adVLANTag}, ret}, ""},
	} {
		_, err := New(tt.raw)
		got := ""
		if err != nil {
			got = strings.TrimPrefix(err.Error(), ErrProgram.Error()+": ")
			if !errors.Is(err, ErrProgram) {
				t.Errorf("%s: New = %v, want ErrProgram", tt.name, err)
			}
		}
		if got != tt.want {
			t.Errorf("%s: New = %q, want %q", tt.name, got, tt.want)
		}
	}
}
