package report

import (
	"bufio"
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/event"
	"github.com/mxprint/mxprint/internal/signature"
	"github.com/mxprint/mxprint/note"
	"github.com/mxprint/mxprint/packet"
)

const (
	maxUnknown  = 1000        // different ones that are kept
	unknownTime = time.Minute // between two writings of the file
	maxUnknowns = 1 << 20     // bytes of the file that are read
)

// Unknowns gathers the SYNs, SYN+ACKs and sessions of SMTP that no signature matches, as drafts of
// signatures: at most 1,000 different ones, of which those seen least give way.
// It is safe for concurrent use.
type Unknowns struct {
	mu      sync.Mutex
	byDraft map[string]*draft // by direction and draft
	rarest  unknownHeap
	key     []byte
	changed bool // since Save
	gone    int  // entries that gave way
}

// draft is a signature of what nothing matched.
type draft struct {
	kind        byte // request, response or client
	draft       string
	raw         string // of the first packet
	count       int
	first, last time.Time
	at          int // in the heap
}

// Kinds of drafts, which their keys begin with, and their sections.
const (
	request  byte = '>'
	response byte = '<'
	client   byte = '@' // of SMTP
)

var draftSections = []struct {
	kind byte
	name string
}{{request, "[tcp:request]"}, {response, "[tcp:response]"}, {client, "[smtp:client]"}}

// NewUnknowns returns one with nothing in it.
func NewUnknowns() *Unknowns { return &Unknowns{byDraft: make(map[string]*draft)} }

// Unmatched reports whether an observation is of a SYN, a SYN+ACK or a session of
// SMTP that no signature matches. Unknowns needs no others (engine.Config.Wants).
func Unmatched(o *event.Observation) bool {
	if o.Module == event.SMTP {
		return o.Sender != nil && o.Sender.Software != nil && o.Sender.Software.State == note.Unknown
	}
	return o.Module.Fingerprint() && !o.System.Matched
}

// draftOf appends the key of what nothing matches, and reports whether there is
// enough for a signature.
func draftOf(key []byte, o *event.Observation) (_ []byte, ok bool) {
	if o.Module == event.SMTP {
		f, err := dialect.Parse(o.Sender.Software.Dialect)
		if err != nil {
			return key, false
		}
		return signature.AppendSMTPDraft(append(key, client), &f)
	}
	kind := request
	if o.Segment.Type == packet.SYNACK {
		kind = response
	}
	return signature.AppendDraft(append(key, kind), &o.Segment, signature.MultipleOf(&o.Segment, o.PeerMSS)), true
}

// rawOf is what a draft was made of.
func rawOf(o *event.Observation) string {
	if o.Module == event.SMTP {
		return o.Sender.Software.Dialect
	}
	return string(o.RawSig)
}

// Observe takes what nothing matches.
func (u *Unknowns) Observe(o *event.Observation) {
	if !Unmatched(o) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	key, ok := draftOf(u.key[:0], o)
	if u.key = key; !ok {
		return
	}
	u.changed = true
	at := time.UnixMicro(o.At).UTC().Truncate(time.Second)
	if e := u.byDraft[string(u.key)]; e != nil {
		e.count++
		e.last = at
		heap.Fix(&u.rarest, e.at)
		return
	}
	u.add(&draft{kind: u.key[0], draft: string(u.key[1:]), raw: rawOf(o), count: 1, first: at, last: at})
}

// Flush does nothing: Keep writes the file.
func (*Unknowns) Flush() (int, error) { return 0, nil }

func (e *draft) key() string { return string(e.kind) + e.draft }

func (u *Unknowns) add(e *draft) {
	if len(u.rarest) == maxUnknown {
		old := heap.Pop(&u.rarest).(*draft)
		delete(u.byDraft, old.key())
		u.gone++
	}
	heap.Push(&u.rarest, e)
	u.byDraft[e.key()] = e
}

// mostSeen is as much as unknownLine reads.
const mostSeen = 999_999_999_999_999

// merge adds what an earlier process saw.
func (u *Unknowns) merge(e, earlier *draft) {
	e.count = min(e.count+earlier.count, mostSeen)
	if earlier.first.Before(e.first) {
		e.first = earlier.first
	}
	if earlier.last.After(e.last) {
		e.last = earlier.last
	}
	heap.Fix(&u.rarest, e.at)
}

// unknownHeap has the one seen least first.
type unknownHeap []*draft

func (h unknownHeap) Len() int { return len(h) }
func (h unknownHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].count, h[j].count), h[i].last.Compare(h[j].last)) < 0
}
func (h unknownHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}
func (h *unknownHeap) Push(x any) {
	e := x.(*draft)
	e.at = len(*h)
	*h = append(*h, e)
}
func (h *unknownHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}

const unknownHead = `; SYNs, SYN+ACKs and sessions of SMTP that no signature matched, written by mxprint.
; Replace the label by that of the sender where you know it, state the rule
; where you know it (docs/signatures.md), remove the rest, and then:
;     mxprint signatures check FILE
;     mxprint signatures test -with FILE CAPTURE
classes = win,unix,other
`

// snapshot copies the entries: the capture must not wait for what is
// done with them.
func (u *Unknowns) snapshot() (all []draft, gone int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, e := range u.rarest {
		all = append(all, *e)
	}
	return all, u.gone
}

// Text is a signature file with all drafts, those seen most first. A smaller
// TTL goes before: p0f's rule takes what left with 32 for a part of what left
// with 64.
func (u *Unknowns) Text() []byte {
	b := []byte(unknownHead)
	all, gone := u.snapshot()
	if gone > 0 {
		b = fmt.Appendf(b, "; %d different ones, those seen least, gave way: %d are kept\n", gone, maxUnknown)
	}
	slices.SortFunc(all, func(x, y draft) int {
		return cmp.Or(cmp.Compare(x.ttl(), y.ttl()), -cmp.Compare(x.count, y.count), cmp.Compare(x.draft, y.draft))
	})
	for _, section := range draftSections {
		var list []draft
		var last time.Time
		for _, e := range all {
			if e.kind != section.kind {
				continue
			}
			if list = append(list, e); e.last.After(last) {
				last = e.last
			}
		}
		if len(list) == 0 {
			continue
		}
		b = fmt.Appendf(b, "\n%s\n\nlabel  = s:other:Unknown:\nsource = seen by mxprint\ndate   = %s\n", section.name, last.Format("2006-01"))
		for _, e := range list {
			b = fmt.Appendf(b, "; seen %d times, first %s, last %s, for example %s\nsig    = %s\n",
				e.count, e.first.Format(time.RFC3339), e.last.Format(time.RFC3339), e.raw, e.draft)
		}
	}
	return b
}

// ttl is the initial TTL of the draft.
func (e *draft) ttl() int {
	_, rest, _ := strings.Cut(e.draft, ":")
	ttl, _, _ := strings.Cut(rest, ":")
	n, _ := strconv.Atoi(ttl)
	return n
}

// unknownLine is compiled when it is first needed: that takes 3 ms, a third of the
// start of the program.
var unknownLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^; seen ([0-9]{1,15}) times, first (\S{1,40}), last (\S{1,40}), for example ([ -~]{1,900})$`)
})

// read takes up what an earlier process wrote. Lines of another form are passed
// over: the file may have been edited.
func (u *Unknowns) read(r io.Reader) error {
	in := bufio.NewScanner(io.LimitReader(r, maxUnknowns))
	kind := request
	var seen *draft // the comment before a signature
	for in.Scan() {
		line := in.Text()
		name, value, _ := strings.Cut(line, "=")
		switch draft := strings.TrimSpace(value); {
		case strings.HasPrefix(line, "["):
			for _, section := range draftSections {
				if line == section.name {
					kind = section.kind
				}
			}
		case seen != nil && strings.TrimSpace(name) == "sig" && isSignature(kind, draft):
			seen.kind, seen.draft = kind, draft
			u.mu.Lock()
			if e := u.byDraft[seen.key()]; e == nil {
				u.add(seen)
			} else { // seen again while the file was read
				u.merge(e, seen)
			}
			u.mu.Unlock()
		}
		seen = parseUnknown(line)
	}
	return in.Err()
}

// isSignature keeps out of the file what would spoil it.
func isSignature(kind byte, text string) bool {
	if len(text) > 900 || strings.ContainsAny(text, "\r\n") {
		return false
	}
	section := "[tcp:request]"
	if kind == client {
		section = "[smtp:client]"
	}
	_, err := signature.Parse(strings.NewReader("classes = other\n"+section+"\nlabel = s:other:Unknown:\nsig = "+text+"\n"), "")
	return err == nil
}

func parseUnknown(line string) *draft {
	m := unknownLine().FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	n, err := strconv.Atoi(m[1])
	first, err2 := time.Parse(time.RFC3339, m[2])
	last, err3 := time.Parse(time.RFC3339, m[3])
	if errors.Join(err, err2, err3) != nil || n < 1 || first.Unix() < 0 || last.Before(first) {
		return nil
	}
	if first, last = first.UTC(), last.UTC(); last.Year() > 9999 {
		return nil
	}
	return &draft{raw: m[4], count: n, first: first, last: last}
}

// Drop forgets what a database matches.
func (u *Unknowns) Drop(db *signature.DB) {
	all, _ := u.snapshot()
	for _, e := range all {
		if e.kind == client {
			if f, err := dialect.Parse(e.raw); err == nil && db.MatchSMTP(&f).N > 0 {
				u.remove(e.key())
			}
			continue
		}
		s, err := signature.ParseRaw(e.raw)
		if err != nil {
			continue
		}
		dir := signature.Request
		if e.kind == response {
			dir = signature.Response
		}
		if m := db.Match(dir, &s, 0); m.Sig != nil {
			u.remove(e.key())
		}
	}
}

func (u *Unknowns) remove(key string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if e := u.byDraft[key]; e != nil {
		heap.Remove(&u.rarest, e.at)
		delete(u.byDraft, key)
		u.changed = true
	}
}

// Keep takes up the file, but for what the signatures match by now, and writes
// it whenever there is something new. At the end there may be more to come.
func (u *Unknowns) Keep(ctx context.Context, path string, db *signature.DB, log *slog.Logger) error {
	f, err := signature.OpenFile(path)
	if err == nil {
		err = u.read(f)
		f.Close()
		u.Drop(db)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		log.Error("unknown SYNs are not saved: the file of the last run cannot be read", "reason", err)
		return nil
	}
	u.mu.Lock()
	u.changed = true // writing now shows whether it works
	u.mu.Unlock()
	u.Save(path, log)
	tick := time.NewTicker(unknownTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			u.Save(path, log)
		}
	}
}

// Save writes the file, if there is something new, in one step.
func (u *Unknowns) Save(path string, log *slog.Logger) {
	u.mu.Lock()
	changed := u.changed
	u.changed = false
	u.mu.Unlock()
	if !changed {
		return
	}
	if err := replaceFile(path, u.Text()); err != nil {
		log.Error("unknown SYNs cannot be written", "reason", err)
		u.mu.Lock()
		u.changed = true // try again
		u.mu.Unlock()
	}
}

// replaceFile replaces a file by another one, whole or not at all.
func replaceFile(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o640), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
