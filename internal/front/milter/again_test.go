package milter

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/note"
)

// stuck answers the first question; the second one it answers late, whatever its
// context says.
type stuck struct {
	mu      sync.Mutex
	asked   int
	release chan struct{}
}

func (s *stuck) Lookup(_ context.Context, q note.Query) (note.Note, error) {
	s.mu.Lock()
	s.asked++
	first := s.asked == 1
	s.mu.Unlock()
	if !first {
		<-s.release
	}
	return note.Note{State: note.Matched, OSName: "Linux"}, nil
}

// TestAgainStuck: the second question has the deadline too.
func TestAgainStuck(t *testing.T) {
	who := &stuck{release: make(chan struct{})}
	path, _ := run(t, &Server{Lookuper: who, Header: "X-Mxprint", Form: (*note.Note).Full, Again: true, Deadline: 100 * time.Millisecond})
	defer close(who.release)
	m := dial(t, path)
	m.begin(postfixOffer)
	m.connect(client4)
	begin := time.Now()
	m.mail("X-Mxprint: forged")
	m.want(removed(1, "X-Mxprint"), added("X-Mxprint", `os="Linux" os_quality=exact`), "a")
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the mail took %v", took)
	}
}
