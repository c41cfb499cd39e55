package milter

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/fronttest"
)

// TestAcknowledgesAtOnce: a mail server that leaves Nagle's algorithm on, as
// Postfix does, is not kept waiting for acknowledgements.
func TestAcknowledgesAtOnce(t *testing.T) {
	fronttest.Leaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := fronttest.Start((&Server{Lookuper: seen(), Deadline: patience}).Serve, ln)
	defer stop()
	// A busy machine may delay most mails, too, but not those of each connection.
	const most = 20 * time.Millisecond
	quick := time.Hour
	for try := 0; try < 5 && quick > most; try++ {
		quick = min(quick, quickMails(t, ln.Addr().String()))
		t.Logf("a quarter of the mails take %v at most", quick)
	}
	if quick > most {
		t.Errorf("three quarters of the mails take more than %v: the mail server waits for acknowledgements", quick)
	}
}

// quickMails is what a quarter of the mails of a connection take at most: of the
// later ones, for the first never wait, and nearly all others do.
func quickMails(t *testing.T, addr string) time.Duration {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.(*net.TCPConn).SetNoDelay(false)
	nc.SetDeadline(time.Now().Add(patience))
	m := &mta{nc, t}
	m.begin(postfixOffer)
	m.connect(client4)
	var took []time.Duration
	for range 40 {
		begin := time.Now()
		m.mail("Subject: x", "X-Other: y")
		m.want(added("X-p0f-Result", header4), "a")
		took = append(took, time.Since(begin))
	}
	late := took[len(took)/2:]
	slices.Sort(late)
	return late[len(late)/4]
}
