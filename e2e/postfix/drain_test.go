//go:build linux

package postfix

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mxprint/mxprint/internal/test/lab"
	"github.com/mxprint/mxprint/internal/test/mailtest"
)

const drainMails = 200

// TestFinding09Drain: a mail that is under way in the proxy at SIGTERM, and takes
// longer than the fronts would, has its note, and keeps no forged header.
func TestFinding09Drain(t *testing.T) {
	pair := lab.NewPair(t)
	mailtest.SensorProgram(t)
	milter := mailtest.Patient("-o { smtpd_milters = { inet:127.0.0.1:7825, connect_timeout=1s, command_timeout=1s, content_timeout=1s, default_action=accept } }")
	p := mailtest.StartPostfixServices(t, pair.Server, mailtest.PostfixMaster+`
127.0.0.1:10025 inet n - n - 220 smtpd
    -o smtpd_client_connection_count_limit=0
    -o smtpd_upstream_proxy_protocol=haproxy
    `+milter+"\n")
	dir := mailtest.TempDir(t)
	at := netip.AddrPortFrom(pair.Server.IPv4, 2525)
	mailtest.WriteFiles(t, dir, map[string]string{"m.toml": fmt.Sprintf(
		"[sensor]\nsource = \"proxy\"\n[p0f]\nsocket = %q\n[milter]\nlisten = [\"127.0.0.1:7825\"]\n"+mailtest.LongDeadline+"\n[proxy]\nlisten = [%q]\nbackend = \"127.0.0.1:10025\"\n",
		filepath.Join(dir, "p0f.sock"), at)})
	m := mailtest.Start(t, "proxy", pair.Server.Command(context.Background(),
		filepath.Join(mailtest.BinDir, "mxprint"), "serve", "-config", filepath.Join(dir, "m.toml")))
	m.Printed("msg=ready")
	sessions := make([]*bufio.ReadWriter, drainMails)
	for i := range sessions {
		var nc net.Conn
		if err := pair.Client.Do(func() (err error) {
			nc, err = net.DialTimeout("tcp", at.String(), 10*time.Second)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(time.Minute))
		sessions[i] = bufio.NewReadWriter(bufio.NewReader(nc), bufio.NewWriter(nc))
	}
	each(t, sessions, func(i int) [][2]string {
		return [][2]string{{"", "220"}, {"HELO client.example", "250"}, {fmt.Sprintf("MAIL FROM:<a%d@client.example>", i), "250"}}
	})
	m.Signal(syscall.SIGTERM)
	time.Sleep(2500 * time.Millisecond) // longer than a milter drains by itself
	each(t, sessions, func(i int) [][2]string {
		return [][2]string{{"RCPT TO:<b@" + mailtest.Domain + ">", "250"}, {"DATA", "354"},
			{mailtest.MailText(fmt.Sprint("drain-", i), "X-p0f-Result: FORGED") + ".", "250"}, {"QUIT", "221"}}
	})
	kept, noted := 0, 0
	for i := range drainMails {
		h := mailtest.Delivered(t, p.Mails, fmt.Sprint("drain-", i))
		for _, result := range h["X-P0f-Result"] {
			switch {
			case strings.Contains(result, "FORGED"):
				kept++
			case strings.Contains(result, `os="Linux`):
				noted++
			}
		}
	}
	t.Logf("of %d mails %d have their note, and %d kept a forged header", drainMails, noted, kept)
	if noted != drainMails || kept > 0 {
		t.Error("want a note in all, and no forged header")
	}
}

// each says lines in each session, and wants their replies, at once in all.
func each(t *testing.T, sessions []*bufio.ReadWriter, lines func(i int) [][2]string) {
	t.Helper()
	var wg sync.WaitGroup
	for i, s := range sessions {
		wg.Go(func() {
			for _, line := range lines(i) {
				if err := say(s, line[0], line[1]); err != nil {
					t.Errorf("session %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// say says a line, if any, and reads the reply.
func say(s *bufio.ReadWriter, line, want string) error {
	if line != "" {
		fmt.Fprint(s, line, "\r\n")
		if err := s.Flush(); err != nil {
			return err
		}
	}
	for {
		got, err := s.ReadString('\n')
		if err != nil || !strings.HasPrefix(got, want) {
			return fmt.Errorf("to %.40q: %q, %v, want %s", line, got, err, want)
		}
		if len(got) < 4 || got[3] != '-' {
			return nil
		}
	}
}
