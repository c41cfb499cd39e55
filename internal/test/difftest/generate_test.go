package difftest

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/mxprint/mxprint/internal/test/lab"
)

// p0fPath returns the real p0f, whose word counts here.
func p0fPath(t testing.TB) string {
	t.Helper()
	return lab.NeedProgram(t, "p0f")
}

func TestGenerateIsDeterministic(t *testing.T) {
	p0fPath(t) // brings the stock database
	for _, p := range Profiles() {
		a, err := Generate(7, p)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Generate(7, p)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("profile %s: two generations of seed 7 differ", p.Name)
		}
		if c, _ := Generate(8, p); bytes.Equal(a, c) {
			t.Errorf("profile %s: seeds 7 and 8 give the same capture", p.Name)
		}
		if n := len(decodePcap(a)); n != p.Frames {
			t.Errorf("profile %s: %d frames, want %d", p.Name, n, p.Frames)
		}
	}
}

// TestRunToRun proves that nothing undefined got in: p0f says the same twice
// (p0f-v3.md §12.4).
func TestRunToRun(t *testing.T) {
	p0f := Program{p0fPath(t)}
	dir := t.TempDir()
	for _, p := range Profiles() {
		for seed := range uint64(2) {
			a, err := Observe(context.Background(), seed, p, p0f, dir)
			if err != nil {
				t.Fatal(err)
			}
			b, err := Observe(context.Background(), seed, p, p0f, dir)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(a.Log, b.Log) {
				t.Errorf("profile %s seed %d: two runs of p0f differ", p.Name, seed)
			}
			if want := expectedPackets(t, seed, p); want >= 0 && a.Packets != want {
				t.Errorf("profile %s seed %d: p0f counted %d packets, want %d", p.Name, seed, a.Packets, want)
			}
			if d := difference(a, b); !d.Equal() {
				t.Errorf("profile %s seed %d: %v", p.Name, seed, d)
			}
		}
	}
}

// expectedPackets is how many frames p0f-v3.md §1.1 lets through, -1 when the
// profile has a filter rule of its own.
func expectedPackets(t *testing.T, seed uint64, p Profile) int {
	t.Helper()
	if strings.HasPrefix(p.Name, "rule") {
		return -1
	}
	records, err := generate(seed, p)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, rec := range records {
		if countedByP0f(rec) {
			n++
		}
	}
	return n
}

// TestCoverage is the gate of p0f-v3.md §12.3: 60 seeds of the stock profile must
// contain everything that TCP can give, and 30 of each custom profile too. In
// each, every TCP label of the database must be matched somewhere (class 1 of
// p0f-v3.md §12.2).
func TestCoverage(t *testing.T) {
	p0f := Program{p0fPath(t)}
	dir := t.TempDir()
	for _, p := range Profiles() {
		seeds, least := uint64(60), 30
		switch {
		case p.Name == "stock":
		case p.Name == "web" || strings.HasPrefix(p.Name, "webcustom"):
			seeds, least = 20, 5
		case strings.HasPrefix(p.Name, "custom"):
			seeds, least = 30, 5
		default:
			continue
		}
		c, seen := make(Coverage), map[string]bool{}
		for seed := range seeds {
			out, err := Observe(context.Background(), seed, p, p0f, dir)
			if err != nil {
				t.Fatal(err)
			}
			c.Add(out.Log)
			for _, l := range withoutTime(out.Log) {
				mod, who := named(l)
				seen[mod+" "+who] = true
			}
		}
		missing := c.Missing(least)
		if p.Web {
			missing = c.MissingHTTP(least)
		}
		if p.Web && p.DB != "" && (c["key http request os"] < least || c["key http response os"] < least || c["params generic"] < least) {
			missing = append(missing, "systems or catch-alls by HTTP")
		}
		if len(missing) > 0 {
			t.Errorf("profile %s: fewer than %d times in %d seeds: %q\n%s", p.Name, least, seeds, missing, c)
		}
		_, db, err := load(p)
		if err != nil {
			t.Fatal(err)
		}
		if p.Web {
			for _, s := range db.httpRequest {
				everyLabel(t, p.Name, s.line, s.name, s.flavor, seen, "http request")
			}
			for _, s := range db.httpResponse {
				everyLabel(t, p.Name, s.line, s.name, s.flavor, seen, "http response")
			}
			continue
		}
		for _, s := range db.request {
			everyLabel(t, p.Name, s.line, s.name, s.flavor, seen, "syn", "sendsyn probe")
		}
		for _, s := range db.response {
			everyLabel(t, p.Name, s.line, s.name, s.flavor, seen, "syn+ack", "sendsyn response")
		}
	}
}

// named returns the module of a line and the name in its os or app field.
func named(line string) (mod, who string) {
	mod, _, _ = strings.Cut(strings.TrimPrefix(line, "mod="), "|")
	for _, key := range []string{"|os=", "|app="} {
		if _, rest, ok := strings.Cut(line, key); ok {
			who, _, _ = strings.Cut(rest, "|dist=")
			who, _, _ = strings.Cut(who, "|lang=")
		}
	}
	return mod, strings.ToLower(who)
}

// everyLabel wants a label among those that were seen.
func everyLabel(t *testing.T, profile string, line int, name, flavor string, seen map[string]bool, mods ...string) {
	t.Helper()
	who := strings.ToLower(name)
	if flavor != "" {
		who += " " + strings.ToLower(flavor)
	}
	if !slices.ContainsFunc(mods, func(m string) bool { return seen[m+" "+who] }) {
		t.Errorf("profile %s: line %d: %q was never matched", profile, line, who)
	}
}
