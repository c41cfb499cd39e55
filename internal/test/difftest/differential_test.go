package difftest

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/mxprint/mxprint/internal/test/parts"
)

// The number of seeds a profile without MXPRINT_DIFF_SEEDS.
const defaultSeeds = 3

var mxprint struct {
	once sync.Once
	path string
	err  error
}

// mxprintPath builds the command once for all tests of this package.
func mxprintPath(t *testing.T) string {
	t.Helper()
	mxprint.once.Do(func() {
		// The directory outlives the test that asks first, so it is not t.TempDir.
		dir, err := os.MkdirTemp("", "difftest-mxprint")
		if err != nil {
			mxprint.err = err
			return
		}
		mxprint.path, mxprint.err = parts.Program(context.Background(), dir)
	})
	if mxprint.err != nil {
		t.Fatal(mxprint.err)
	}
	return mxprint.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if mxprint.path != "" {
		os.RemoveAll(filepath.Dir(mxprint.path))
	}
	os.Exit(code)
}

// seedsToRun returns the first seed and how many: MXPRINT_DIFF_FIRST and
// MXPRINT_DIFF_SEEDS, by default 1 and a few.
func seedsToRun(t *testing.T) (first, n uint64) {
	t.Helper()
	number := func(key string, def uint64) uint64 {
		v := os.Getenv(key)
		if v == "" {
			return def
		}
		x, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("%s=%q is no number", key, v)
		}
		return x
	}
	return number("MXPRINT_DIFF_FIRST", 1), number("MXPRINT_DIFF_SEEDS", defaultSeeds)
}

// TestDifferential runs both programs over every profile and wants the same log,
// packet count, warnings and standard output. make diff runs it with
// MXPRINT_DIFF_SEEDS=200.
func TestDifferential(t *testing.T) {
	p0f, mx := p0fPath(t), mxprintPath(t)
	first, n := seedsToRun(t)
	for _, p := range Profiles() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			dir, lines, bad := t.TempDir(), 0, 0
			for seed := first; seed < first+n; seed += uint64(p.withDefaults().Every) {
				d, err := Compare(context.Background(), seed, p, p0f, mx, dir)
				if err != nil {
					t.Fatal(err)
				}
				lines += d.Lines
				if d.Equal() {
					continue
				}
				t.Error(d)
				if bad++; bad == 3 {
					t.Fatalf("stopped at the third difference, seed %d", seed)
				}
			}
			t.Logf("%d seeds, %d log lines", n, lines)
		})
	}
}

// TestFilesDifferential compares the two programs on the fixed files.
func TestFilesDifferential(t *testing.T) {
	p0f, mx := p0fPath(t), mxprintPath(t)
	dir := t.TempDir()
	for _, f := range append(LinkFiles(), HTTPFiles()...) {
		t.Run(f.Name, func(t *testing.T) {
			file := filepath.Join(dir, f.Name)
			if err := os.WriteFile(file, f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
			d, err := CompareFile(context.Background(), file, StockDatabase, nil, p0f, mx)
			if err != nil {
				t.Fatal(err)
			}
			if !d.Equal() {
				t.Error(d)
			}
		})
	}
}

// TestRealCaptures compares the programs on captures of real traffic, which are
// not part of the repository: those in MXPRINT_PCAPS, or in ../shared/data/pcaps
// beside it. Without such a directory there is nothing to test.
func TestRealCaptures(t *testing.T) {
	dir := os.Getenv("MXPRINT_PCAPS")
	if dir == "" {
		dir = "../../../../shared/data/pcaps"
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.pcap*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Logf("no captures in %s (set MXPRINT_PCAPS)", dir)
		return
	}
	p0f, mx := p0fPath(t), mxprintPath(t)
	slices.Sort(files)
	lines := 0
	for _, file := range files {
		d, err := CompareFile(context.Background(), file, StockDatabase, nil, p0f, mx)
		if err != nil {
			t.Fatal(err)
		}
		lines += d.Lines
		if !d.Equal() {
			t.Error(d)
		}
	}
	t.Logf("%d captures, %d log lines", len(files), lines)
}
