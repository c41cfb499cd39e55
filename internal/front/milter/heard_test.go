package milter

import (
	"context"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mxprint/mxprint/dialect"
	"github.com/mxprint/mxprint/internal/test/fronttest"
	"github.com/mxprint/mxprint/note"
)

// reported keeps the questions.
type reported struct {
	mu  sync.Mutex
	all []note.Query
}

func (r *reported) Lookup(_ context.Context, q note.Query) (note.Note, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, q)
	return note.Note{State: note.Unknown}, nil
}

// TestHeard: the sensor gets to know what the client said, in its order, inside
// TLS too; no address and no value of a parameter, and nothing of the client
// before.
func TestHeard(t *testing.T) {
	fronttest.Leaks(t)
	who := new(reported)
	path, _ := run(t, &Server{Lookuper: who, Again: true})
	m := dial(t, path)
	m.send('O', numbers(postfixOffer.version, postfixOffer.actions, postfixOffer.protocol))
	m.want("O" + numbers(6, 0x11, 0x10|0x40|0x200|0x80|0x1000|0x2000|0x4000|0x8000|0x20000))
	m.connect(client4)
	m.send('H', "client.example\x00")
	m.send('U', "XYZZY secret\x00")
	m.send('D', "H", "{tls_version}\x00TLSv1.3\x00{cipher}\x00TLS_AES_256_GCM_SHA384\x00")
	m.send('H', "client.example\x00")
	m.send('M', "<joe@b.example>\x00", "SIZE=100\x00", "BODY=8BITMIME\x00")
	m.send('R', "<ann@c.example>\x00", "ORCPT=rfc822;ann@c.example\x00")
	m.send('R', "bob@c.example\x00")
	for _, name := range []string{"Date", "X-Secret", "from", "Mime-Version"} {
		m.send('L', name+"\x00secret\x00")
	}
	m.send('E')
	m.want(added("X-p0f-Result", `os="unknown" link_type="" total_conn=0 shared_ip=N`), "a")
	want := &note.Heard{Gaps: true, Header: "DF_M'", TLS: "1.3", Cipher: "TLS_AES_256_GCM_SHA384",
		Lines: []string{"* client.example", "X", "* client.example", "MAIL *<> SIZE= BODY=8BITMIME", "RCPT *<> ORCPT=", "RCPT *a"}}
	if got := who.all[len(who.all)-1].Heard; !reflect.DeepEqual(got, want) {
		t.Errorf("reported %+v, want %+v", got, want)
	}
	m.connect(client6)
	m.mail()
	m.want(added("X-p0f-Result", `os="unknown" link_type="" total_conn=0 shared_ip=N`), "a")
	if got := who.all[len(who.all)-1].Heard; got == nil || len(got.Lines) != 1 || got.TLS != "" {
		t.Errorf("of the next client %+v, want one line", got)
	}
}

// TestHeardHostile: what is reported is bounded and printable.
func TestHeardHostile(t *testing.T) {
	fronttest.Leaks(t)
	who := new(reported)
	path, _ := run(t, &Server{Lookuper: who, Again: true})
	m := dial(t, path)
	m.begin(postfixOffer)
	m.connect(client4)
	evil := "\r\nX: y\x1b\xff <joe@b.example> " + strings.Repeat("z", 5000)
	m.send('H', evil, "\x00")
	for range 100 {
		m.send('U', evil, "\x00")
		m.send('M', evil, "\x00", evil, "\x00")
		m.send('R', strings.Repeat("\x00", 3000))
	}
	m.send('E')
	m.want(added("X-p0f-Result", `os="unknown" link_type="" total_conn=0 shared_ip=N`), "a")
	h := who.all[len(who.all)-1].Heard
	if len(h.Lines) != dialect.MaxLines {
		t.Errorf("%d lines", len(h.Lines))
	}
	for i, line := range h.Lines {
		if len(line) > 160 || strings.ContainsFunc(line, func(c rune) bool { return c < ' ' || c > '~' }) || strings.Contains(line, "joe") && i > 0 {
			t.Errorf("reported %q", line)
		}
	}
}

// lines waits for a question that reports lines, and returns them; nil where none
// comes.
func (r *reported) lines(after int) []string {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		r.mu.Lock()
		for _, q := range r.all[min(after, len(r.all)):] {
			if q.Heard != nil {
				r.mu.Unlock()
				return q.Heard.Lines
			}
		}
		r.mu.Unlock()
	}
	return nil
}

// TestHeardLeft: what a client said that leaves without a mail is reported too, be
// it that another follows or that the mail server goes; what a mail has reported
// is not reported again, and a client that said nothing is not.
func TestHeardLeft(t *testing.T) {
	fronttest.Leaks(t)
	who := new(reported)
	path, _ := run(t, &Server{Lookuper: who, Again: true})
	m := dial(t, path)
	m.begin(postfixOffer)
	m.connect(client4)
	m.send('H', "client.example\x00")
	m.send('M', "<joe@b.example>\x00")
	m.send('R', "<ann@c.example>\x00")
	m.send('A')
	m.connect(client6)
	if got, want := who.lines(0), []string{"* client.example", "MAIL *<>", "RCPT *<>"}; !reflect.DeepEqual(got, want) {
		t.Errorf("of a client that left: %q, want %q", got, want)
	}
	m.send('H', "next.example\x00")
	m.mail()
	m.want(added("X-p0f-Result", `os="unknown" link_type="" total_conn=0 shared_ip=N`), "a")
	who.mu.Lock()
	asked := len(who.all)
	who.mu.Unlock()
	m.connect(client4) // says nothing
	m.connect(client4)
	m.send('H', "last.example\x00")
	m.Close()
	if got, want := who.lines(asked), []string{"* last.example"}; !reflect.DeepEqual(got, want) {
		t.Errorf("after a mail: %q, want %q", got, want)
	}
}
