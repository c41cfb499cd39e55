package export

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mxprint/mxprint/internal/status"
	"github.com/mxprint/mxprint/internal/test/lab"
)

// TestDiskFull: on a full disk the oldest batch goes, and is counted; when there is
// nothing to remove, what comes last. What is there stays whole.
func TestDiskFull(t *testing.T) {
	lab.NeedRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		lab.Skip(t, "cannot mount a tmpfs: "+err.Error())
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	k := newTaker(t)
	k.answer(func(string) (int, string) { return http.StatusServiceUnavailable, "away" })
	e, stop := running(t, to(t, k.URL, dir))
	seen := 0
	for end := time.Now().Add(lab.Patience); e.Stats().Dropped.Disk == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the disk is not full: %+v", e.Stats())
		}
		for range 2000 {
			e.Observe(syn(seen))
			seen++
		}
	}
	e.Save()
	s := e.Stats()
	if s.Waiting == 0 || uint64(s.Waiting)+s.Dropped.Disk != uint64(seen) || s.Dropped.Sum() != s.Dropped.Disk {
		t.Errorf("of %d rows %d wait, dropped are %+v", seen, s.Waiting, s.Dropped)
	}
	k.answer(nil)
	until(t, "the rest", func() bool { return e.Stats().Waiting == 0 })
	stop()
	if rows, again := k.count(); rows != s.Waiting || again != 0 {
		t.Errorf("%d rows arrived, %d again; want %d", rows, again, s.Waiting)
	}
	if k.rows[fmt.Sprintf("observations %d %d", e.run, seen)] == 0 {
		t.Error("the newest row did not arrive")
	}
}

// TestNoRoom: with a disk that another program has filled nothing can be written;
// rows are dropped and counted, and it goes on when there is room.
func TestNoRoom(t *testing.T) {
	lab.NeedRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,nr_inodes=4"); err != nil {
		lab.Skip(t, "cannot mount a tmpfs: "+err.Error())
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	s, err := openSpool(dir, 1<<20, time.Now, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	s.add(Notes, []byte("{}\n"), 1) // takes the third inode
	s.add(Verdicts, []byte("{}\n"), 1)
	s.add(Observations, []byte("{}\n"), 1) // there is no inode left
	var st status.Export
	s.stats(&st)
	if st.Dropped.Disk == 0 || st.Fault == "" && st.Dropped.Disk == 1 && st.Waiting == 3 {
		t.Errorf("Stats = %+v", st)
	}
	if uint64(st.Waiting)+st.Dropped.Disk != 3 {
		t.Errorf("%d rows wait, %d were dropped, want 3 in all", st.Waiting, st.Dropped.Disk)
	}
}
