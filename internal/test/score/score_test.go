package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/packet"
)

const scoreDatabase = `classes = unix,win,other
[tcp:request]
label = s:unix:Linux:4.20 and newer
or = gVisor:
sig = *:64:0:*:fit(65536),7:mss,sok,ts,nop,ws:df,id+,flow?:0
label = g:unix:Linux:(or Android)
sig = *:64:0:*:*,*:mss,sok,ts,nop,ws:df,id+:0
label = s:unix:macOS or iOS:macOS 10.15 and newer, iOS 14 and newer
sig = *:64:0:*:65535,6:mss,nop,ws,nop,nop,ts,sok,eol+1:df:0
label = s:win:Windows:10 or newer
sig = *:128:0:*:64240,8:mss,nop,ws,nop,nop,sok:df,id+:0
`

const (
	linuxRow = `{"os_family":"Linux","os_coarse":"Linux","os_version":"kernel 5.10 6.1","count":10,"ip_version":4,"ttl":60,"df":1,` +
		`"ip_id_zero":0,"flags":2,"window":64240,"wscale":7,"mss":1460,"options":"mss,sok,ts,nop,ws","ts1_zero":0}`
	appleRow = `{"os_family":"iOS","os_coarse":"Apple","os_version":"13.1","count":3,"ip_version":4,"ttl":60,"df":1,` +
		`"ip_id_zero":1,"flags":2,"window":65535,"wscale":6,"mss":1460,"options":"mss,nop,ws,nop,nop,ts,sok,eol+1"}`
)

// variant is a row with other text in it.
func variant(row string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(row, pairs[i]) {
			panic("no " + pairs[i])
		}
		row = strings.Replace(row, pairs[i], pairs[i+1], 1)
	}
	return row
}

// TestScore counts rows of each kind, over a file, by the command.
func TestScore(t *testing.T) {
	rows := []string{
		linuxRow,
		variant(linuxRow, `5.10 6.1`, `4.19 5.10`),                                        // wrong version
		variant(linuxRow, `64240`, `5840`, `kernel 5.10 6.1`, `2.6`),                      // generic, no claim
		variant(linuxRow, `"ttl":60`, `"ttl":250`, `,"mss"`, `,"label_conflict":1,"mss"`), // fuzzy
		variant(linuxRow, `"os_family":"Linux"`, `"os_family":"gVisor"`, `"os_coarse":"Linux"`, `"os_coarse":"gVisor"`, `kernel 5.10 6.1`, ``),
		variant(linuxRow, `"os_family":"Linux"`, `"os_family":"Windows"`, `"os_coarse":"Linux"`, `"os_coarse":"Windows"`, `kernel 5.10 6.1`, `10/11`),
		appleRow, // wrong version
		variant(appleRow, `13.1`, `16.2`),
		variant(appleRow, `"iOS"`, `"macOS"`, `13.1`, `10.15.7`),
		variant(appleRow, `sok,eol+1`, `sok`+strings.Repeat(`,nop`, 2)), // no match
	}
	dir := t.TempDir()
	file, database := filepath.Join(dir, "rows.jsonl"), filepath.Join(dir, "x.fp")
	for path, text := range map[string]string{file: strings.Join(rows, "\n") + "\n\n", database: scoreDatabase} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := run([]string{"-f", database, file}, &out); err != nil {
		t.Fatal(err)
	}
	var got scores
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	all := got.AllRows.All
	all.Distinct.Share, all.Count.Share = shares{}, shares{}
	want := score{
		Distinct: tally{Rows: 10, AnyMatch: 9, Exact: 7, Generic: 2, Fuzzy: 0, RightCoarse: 8, RightFamily: 7, CandidateCoarse: 9, CandidateFamily: 8,
			AloneCoarse: 8, LinuxForWindows: 1, VersionKnown: 9, VersionWrong: 2},
		Count: tally{Rows: 72, AnyMatch: 69, Exact: 49, Generic: 20, RightCoarse: 59, RightFamily: 49, CandidateCoarse: 69, CandidateFamily: 59,
			AloneCoarse: 59, LinuxForWindows: 10, VersionKnown: 62, VersionWrong: 13},
	}
	// The row with TTL 250 matches fuzzily by the first signature; the catch-all does not fit it.
	want.Distinct.Generic, want.Distinct.Fuzzy, want.Count.Generic, want.Count.Fuzzy = 1, 1, 10, 10
	if all != want {
		t.Errorf("all rows = %+v\nwant %+v", all, want)
	}
	if n := got.NoConflict.All.Distinct.Rows; n != 9 {
		t.Errorf("%d rows without conflict, want 9", n)
	}
	if n := got.AllRows.Families["iOS"].Count.Rows; n != 9 {
		t.Errorf("iOS seen %d times, want 9", n)
	}
	if p := got.AllRows.All.Distinct.Share; p.AnyMatch != 90 || p.RightCoarse != 80 || p.LinuxForWindows != 10 || p.VersionWrong != 22.22 {
		t.Errorf("percent = %+v", p)
	}
}

// TestScoreFrame: the packet of a row says what the row says.
func TestScoreFrame(t *testing.T) {
	for _, tt := range []struct{ name, row, want string }{
		{"Linux", linuxRow, "4:60+4:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0"},
		{"AccECN", variant(linuxRow, `"flags":2`, `"flags":450`), "4:60+4:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+,ecn:0"},
		{"ECN in the IP header", variant(linuxRow, `"flags":2`, `"flags":2,"tos":43,"ecn":1`), "4:60+4:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+,ecn:0"},
		{"ECN, flags unknown", variant(linuxRow, `"flags":2`, `"ecn":1`), "4:60+4:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+,ecn:0"},
		{"no DF, ID zero", variant(linuxRow, `"df":1`, `"df":0`, `"ip_id_zero":0`, `"ip_id_zero":1`), "4:60+4:0:1460:mss*44,7:mss,sok,ts,nop,ws:id-:0"},
		{"IPv6", variant(linuxRow, `"ip_version":4`, `"ip_version":6,"flow":1`), "6:60+4:0:1460:mss*44,7:mss,sok,ts,nop,ws:flow:0"},
		{"payload", variant(linuxRow, `"ttl"`, `"ip_total_len":70,"ttl"`), "4:60+4:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:+"},
		{"MPTCP", variant(linuxRow, `nop,ws`, `nop,ws,?30`), "4:60+4:0:1460:mss*44,7:mss,sok,ts,nop,ws,?30:df,id+:0"},
		{"TFO", variant(linuxRow, `nop,ws`, `nop,ws,?34,nop,nop`), "4:60+4:0:1460:mss*44,7:mss,sok,ts,nop,ws,?34,nop,nop:df,id+:0"},
		{"bytes", variant(linuxRow, `"ts1_zero"`, `"opt_hex":"020405b4","ts1_zero"`), "4:60+4:0:1460:mss*44,0:mss:df,id+:0"},
		{"timestamps", variant(linuxRow, `"ts1_zero":0`, `"ts1_zero":1,"ts2":5`), "4:60+4:0:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+,ts1-,ts2+:0"},
		{"Apple", appleRow, "4:60+4:0:1460:65535,6:mss,nop,ws,nop,nop,ts,sok,eol+1:df:0"},
		{"IP options", variant(linuxRow, `"ttl"`, `"olen":8,"ttl"`), "4:60+4:8:1460:mss*44,7:mss,sok,ts,nop,ws:df,id+:0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var row labelledRow
			if err := json.Unmarshal([]byte(tt.row), &row); err != nil {
				t.Fatal(err)
			}
			frame, err := row.frame()
			if err != nil {
				t.Fatal(err)
			}
			var s packet.Segment
			d := packet.Decoder{Link: packet.LinkRaw}
			if err := d.Decode(frame, len(frame), &s); err != nil {
				t.Fatal(err)
			}
			m := signature.Builtin().Match(signature.Request, &s, 0)
			if got := string(signature.AppendRaw(nil, &s, m.Multiple)); got != tt.want {
				t.Errorf("packet of %s\n = %s\nwant %s", tt.row, got, tt.want)
			}
		})
	}
}

// TestScoreErrors: a bad row ends the run, with its line.
func TestScoreErrors(t *testing.T) {
	for _, tt := range []struct{ name, row, want string }{
		{"no JSON", `{"os_family":`, "rows:2: unexpected end of JSON input"},
		{"no family", `{}`, "rows:2: a row needs os_family and os_coarse"},
		{"count", variant(linuxRow, `"count":10`, `"count":0`), "rows:2: count 0, want 1 or more"},
		{"version", variant(linuxRow, `"ip_version":4`, `"ip_version":5`), "rows:2: ip_version 5, want 4 or 6"},
		{"option", variant(linuxRow, `sok,ts`, `sok,tss`), `rows:2: unknown option "tss"`},
		{"no MSS", variant(linuxRow, `"mss":1460,`, ``), `rows:2: options "mss,sok,ts,nop,ws", but no mss`},
		{"no scale", variant(linuxRow, `"wscale":7,`, ``), `rows:2: options "mss,sok,ts,nop,ws", but no wscale`},
		{"odd length", variant(linuxRow, `nop,ws`, `ws`), `rows:2: options "mss,sok,ts,ws" fill no header: 19 bytes`},
		{"too many options", variant(linuxRow, `nop,ws`, `ts,ts,ts`), `rows:2: options "mss,sok,ts,ts,ts,ts" take more than 40 bytes`},
		{"bytes", variant(linuxRow, `"ts1_zero"`, `"opt_hex":"zz","ts1_zero"`), `rows:2: opt_hex "zz" is no option field`},
		{"flags", variant(linuxRow, `"flags":2`, `"flags":3`), "rows:2: decoding the packet of the row: packet: impossible combination of TCP flags"},
		{"long", strings.Repeat(" ", maxRow+1), "rows:2: line of more than 65536 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := scoreRows(strings.NewReader(linuxRow+"\n"+tt.row+"\n"), "rows", signature.Builtin(), nil)
			if err == nil || err.Error() != tt.want {
				t.Errorf("scoreRows = %v, want %s", err, tt.want)
			}
		})
	}
}
